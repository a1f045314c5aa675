"""Parameterised circuits and the states they prepare."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qhypernet import _check, _core

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

__all__ = ["Circuit", "Instruction", "State"]

Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True)
class Instruction:
    """One gate of a circuit.

    Its angle is ``scale`` times parameter ``param``, or fixed at ``angle`` radians.
    """

    gate: str
    qubits: tuple[int, ...]
    param: int | None = None
    angle: float | None = None
    scale: float = 1.0


class Circuit:
    """A circuit on ``n_qubits`` qubits that start in the state 0.

    Gates are appended by methods named after them. A rotation takes the next free parameter and
    returns its index; with ``param=i`` it shares parameter i, with ``angle=a`` it is fixed at a
    radians. Qubit i is bit i of an outcome's index, qubit 0 the least significant (Qiskit's order).

    Args:
        n_qubits: Number of qubits, at least 1. Building a circuit costs nothing; simulating it
            takes memory for 2**n_qubits amplitudes.
        n_params: Parameters that exist from the start, for gates to refer to in any order.

    Example:
        >>> import qhypernet as qh
        >>> bell = qh.Circuit(2)
        >>> angle = bell.ry(0)
        >>> bell.cx(0, 1)
        >>> bell.simulate([np.pi / 2]).probabilities().round(3)
        array([0.5, 0. , 0. , 0.5])
    """

    def __init__(self, n_qubits: int, n_params: int = 0) -> None:
        self._core = _core.Circuit(
            _check.integer("n_qubits", n_qubits, 1, 2**16),
            _check.integer("n_params", n_params, 0, 2**32),
        )

    def __repr__(self) -> str:
        return f"<Circuit: {self.n_qubits} qubits, {self.n_params} parameters, {len(self)} gates>"

    def __reduce__(self) -> tuple[object, ...]:
        # The core's half is built again, so that circuits can be sent to other processes.
        return _circuit, (self.n_qubits, self.n_params, self._core.instructions())

    def __len__(self) -> int:
        return len(self._core.instructions())

    def __iter__(self) -> Iterator[Instruction]:
        for gate, qubits, param, angle, scale in self._core.instructions():
            yield Instruction(gate, tuple(qubits), param, angle, scale)

    @property
    def n_qubits(self) -> int:
        """Number of qubits."""
        return self._core.n_qubits

    @property
    def n_params(self) -> int:
        """Number of free parameters."""
        return self._core.n_params

    @property
    def fingerprint(self) -> str:
        """A hash of the gates in order: equal circuits have equal ones."""
        text = repr((self.n_qubits, self._core.instructions()))
        return hashlib.sha256(text.encode()).hexdigest()

    def h(self, qubit: int) -> None:
        """Hadamard."""
        self._append("h", qubit)

    def x(self, qubit: int) -> None:
        """Pauli X (NOT)."""
        self._append("x", qubit)

    def y(self, qubit: int) -> None:
        """Pauli Y."""
        self._append("y", qubit)

    def z(self, qubit: int) -> None:
        """Pauli Z."""
        self._append("z", qubit)

    def s(self, qubit: int) -> None:
        """Phase gate diag(1, i)."""
        self._append("s", qubit)

    def sdg(self, qubit: int) -> None:
        """Inverse phase gate diag(1, -i)."""
        self._append("sdg", qubit)

    def t(self, qubit: int) -> None:
        """diag(1, exp(i pi/4))."""
        self._append("t", qubit)

    def tdg(self, qubit: int) -> None:
        """diag(1, exp(-i pi/4))."""
        self._append("tdg", qubit)

    def sx(self, qubit: int) -> None:
        """Square root of X."""
        self._append("sx", qubit)

    def sxdg(self, qubit: int) -> None:
        """Inverse square root of X."""
        self._append("sxdg", qubit)

    def cx(self, control: int, target: int) -> None:
        """Controlled NOT."""
        self._append("cx", control, target)

    def cz(self, a: int, b: int) -> None:
        """Controlled Z."""
        self._append("cz", a, b)

    def swap(self, a: int, b: int) -> None:
        """Exchange of two qubits."""
        self._append("swap", a, b)

    def rx(self, qubit: int, *, param: int | None = None, angle: float | None = None) -> int | None:
        """exp(-i theta/2 X). Returns the parameter's index; None for a fixed angle."""
        return self._rotate("rx", (qubit,), param, angle)

    def ry(self, qubit: int, *, param: int | None = None, angle: float | None = None) -> int | None:
        """exp(-i theta/2 Y). Returns the parameter's index; None for a fixed angle."""
        return self._rotate("ry", (qubit,), param, angle)

    def rz(self, qubit: int, *, param: int | None = None, angle: float | None = None) -> int | None:
        """exp(-i theta/2 Z). Returns the parameter's index; None for a fixed angle."""
        return self._rotate("rz", (qubit,), param, angle)

    def p(self, qubit: int, *, param: int | None = None, angle: float | None = None) -> int | None:
        """diag(1, exp(i theta)). Returns the parameter's index; None for a fixed angle."""
        return self._rotate("p", (qubit,), param, angle)

    def rxx(
        self, a: int, b: int, *, param: int | None = None, angle: float | None = None
    ) -> int | None:
        """exp(-i theta/2 XX). Returns the parameter's index; None for a fixed angle."""
        return self._rotate("rxx", (a, b), param, angle)

    def ryy(
        self, a: int, b: int, *, param: int | None = None, angle: float | None = None
    ) -> int | None:
        """exp(-i theta/2 YY). Returns the parameter's index; None for a fixed angle."""
        return self._rotate("ryy", (a, b), param, angle)

    def rzz(
        self, a: int, b: int, *, param: int | None = None, angle: float | None = None
    ) -> int | None:
        """exp(-i theta/2 ZZ). Returns the parameter's index; None for a fixed angle."""
        return self._rotate("rzz", (a, b), param, angle)

    def append(
        self,
        gate: str,
        *qubits: int,
        param: int | None = None,
        angle: float | None = None,
        scale: float = 1.0,
    ) -> int | None:
        """Appends a gate by its name, as the method of that name does.

        With a ``scale`` other than 1 the gate's angle is that many times the parameter: a
        controlled rotation, for one, is made of rotations by half its angle.

        Raises:
            ValueError: No such gate (near names are shown), a wrong number of qubits, a qubit that
                does not exist or comes twice, an angle for a gate that has none, or a scale for a
                gate without a parameter.
        """
        names = {row[0]: row[2] is not None for row in _core.gate_table()}
        if names[_check.choice("gate", gate, names)]:
            return self._rotate(gate, qubits, param, angle, _check.number("scale", scale))
        if param is not None or angle is not None or scale != 1:
            raise ValueError(f"angle: expected no angle for gate {gate}, got one")
        self._append(gate, *qubits)
        return None

    def simulate(
        self, params: ArrayLike = (), *, dtype: Literal["single", "double"] = "double"
    ) -> State:
        """Runs the circuit for one parameter vector or for a batch of them.

        Args:
            params: Angles in radians, shape (P,) or (B, P).
            dtype: Precision of the amplitudes. Single halves memory and time; amplitudes are then
                right to about 1e-6.

        Raises:
            ValueError: Another shape, or parameters that are not finite.
            MemoryError: The states do not fit; says how much they need and how much there is.
        """
        single = _check.choice("dtype", dtype, ("single", "double")) == "single"
        n_params = self.n_params
        values = _check.floats("params", params, shape=f"(batch, {n_params})")
        shape, is_batch = values.shape, values.ndim == 2
        batch = shape[0] if is_batch else 1
        if shape[-1] != n_params or values.ndim > 2 or not batch:
            raise ValueError(
                f"params: expected shape ({n_params},) or (batch, {n_params}), got {shape}"
            )
        return State(self, self._core.simulate(values, batch, single), batched=is_batch)

    def to_qiskit(self, params: ArrayLike | None = None) -> QuantumCircuit:
        """The same circuit in Qiskit, with one ``ParameterVector`` or with angles filled in.

        Qubit i is Qiskit's qubit i. A parameter that no gate has is not in Qiskit's circuit. Needs
        the extra "ibm".

        Args:
            params: Angles in radians, shape (P,); None leaves them free.

        Example:
            >>> import qhypernet as qh
            >>> qh.ansatz.hardware_efficient(2, 1).to_qiskit().num_parameters
            4
        """
        from qhypernet.interop.qiskit import to_qiskit

        return to_qiskit(self, params)

    @classmethod
    def from_qiskit(cls, circuit: QuantumCircuit) -> Circuit:
        """The same circuit from Qiskit, up to a global phase. Needs the extra "ibm".

        What is not in our table of gates is taken apart. Parameter i is ``circuit.parameters[i]``:
        Qiskit sorts elements of a vector by index, but loose parameters by name, t10 before t2.
        Measurements at the end are left out, wherever their results went: column i of our samples
        is always qubit i.

        Raises:
            ValueError: Mid-circuit measurement, reset, classical control, an angle that is not
                affine in the parameters, or an operation that is no gate.

        Example:
            >>> import qhypernet as qh
            >>> from qiskit import QuantumCircuit
            >>> from qiskit.circuit import Parameter
            >>> theirs = QuantumCircuit(2)
            >>> _ = theirs.cry(Parameter("t"), 0, 1)
            >>> [(gate.gate, gate.scale) for gate in qh.Circuit.from_qiskit(theirs)]
            [('ry', 0.5), ('cx', 1.0), ('ry', -0.5), ('cx', 1.0)]
        """
        from qhypernet.interop.qiskit import from_qiskit

        return from_qiskit(cls, circuit)

    def to_qasm3(self, params: ArrayLike | None = None) -> str:
        """The circuit as an OpenQASM 3 program, without measurements. Needs the extra "ibm".

        Args:
            params: Angles in radians, shape (P,); None makes each an ``input``.
        """
        from qhypernet.interop.qiskit import to_qasm3

        return to_qasm3(self, params)

    @classmethod
    def from_qasm3(cls, text: str) -> Circuit:
        """A circuit from an OpenQASM 3 program. Needs the extra "ibm".

        Parameter i is the i-th ``input``; all else is as in :meth:`from_qiskit`.

        Raises:
            ValueError: Not OpenQASM 3, or what :meth:`from_qiskit` refuses.

        Example:
            >>> import qhypernet as qh
            >>> text = qh.ansatz.hardware_efficient(2, 1).to_qasm3()
            >>> qh.Circuit.from_qasm3(text)
            <Circuit: 2 qubits, 4 parameters, 5 gates>
        """
        from qhypernet.interop.qiskit import from_qasm3

        return from_qasm3(cls, text)

    def _append(self, gate: str, *qubits: int) -> None:
        self._core.append(gate, self._checked(qubits), None, None, 1.0)

    def _rotate(
        self,
        gate: str,
        qubits: tuple[int, ...],
        param: int | None,
        angle: float | None,
        scale: float = 1.0,
    ) -> int | None:
        if param is not None and angle is not None:
            raise ValueError("angle: expected either param or angle, got both")
        if scale != 1 and angle is not None:
            raise ValueError(f"scale: expected 1 for a fixed angle, got {scale}")
        if angle is not None:
            angle = _check.number("angle", angle)
        else:
            param = (
                self.n_params if param is None else _check.integer("param", param, 0, self.n_params)
            )
        self._core.append(gate, self._checked(qubits), param, angle, scale)
        return param

    def _checked(self, qubits: tuple[int, ...]) -> list[int]:
        return [_check.integer("qubit", q, 0, self.n_qubits - 1) for q in qubits]


class State:
    """One state or a batch of states, as :meth:`Circuit.simulate` returns them.

    Shapes below are for a batch of B; a single parameter vector has no first axis.
    """

    def __init__(self, circuit: Circuit, core: _core.State, *, batched: bool) -> None:
        self._circuit = circuit
        self._core = core
        self._batched = batched

    def probabilities(self) -> NDArray[np.float64]:
        """Probability of every outcome, shape (B, 2**n)."""
        return self._shaped(self._core.probabilities())

    def statevector(self) -> NDArray[np.complexfloating]:
        """Amplitudes, shape (B, 2**n), complex64 in single precision and complex128 in double."""
        return self._shaped(self._core.statevector())

    def sample(self, shots: int, *, seed: int | None = 0) -> NDArray[np.uint8]:
        """Measured bits, shape (B, shots, n): column i is qubit i.

        Args:
            shots: Measurements of each state, at least 1.
            seed: Each state of the batch has a stream of its own, named by seed and position.
        """
        shots = _check.integer("shots", shots, 1)
        return self._shaped(self._core.sample(shots, _check.seed(seed)))

    def gradient(self, cotangent: ArrayLike) -> NDArray[np.float64]:
        """Derivatives by the parameters of ``sum_z cotangent[z] * q(z)``, shape (B, P).

        One reverse pass for all parameters (Jones & Gacon 2020, arXiv 2009.02823), whatever the
        cotangent: an observable that is diagonal, or dF/dq of any function F of the probabilities.

        Args:
            cotangent: Shape (2**n,) for all states alike, or (B, 2**n).

        Example:
            >>> import qhypernet as qh
            >>> c = qh.Circuit(1)
            >>> _ = c.ry(0)
            >>> float(c.simulate([0.3]).gradient([0.0, 1.0])[0])  # d sin(t/2)**2 = sin(t)/2
            0.147760
        """
        dim = 2**self._circuit.n_qubits
        values = _check.floats("cotangent", cotangent, shape=f"({dim},)")
        batched = (self._core.batch, dim) if self._batched else (dim,)
        if values.shape not in {(dim,), batched}:
            expected = " or ".join(map(str, dict.fromkeys([(dim,), batched])))
            raise ValueError(f"cotangent: expected shape {expected}, got {values.shape}")
        return self._shaped(self._core.gradient(values))

    def _shaped(self, array: NDArray[Number]) -> NDArray[Number]:
        return array if self._batched else array[0]


def _circuit(
    n_qubits: int,
    n_params: int,
    instructions: list[tuple[str, list[int], int | None, float | None, float]],
) -> Circuit:
    circuit = Circuit(n_qubits, n_params)
    for instruction in instructions:
        circuit._core.append(*instruction)
    return circuit
