"""Qiskit's circuits, and OpenQASM 3 through them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qhypernet import _check, _core, _extras

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from qiskit import QuantumCircuit

    from qhypernet.circuits import Circuit

_SILENT = ("barrier", "delay", "id", "global_phase")
"""Operations that change no outcome."""


def to_qiskit(circuit: Circuit, params: ArrayLike | None = None) -> QuantumCircuit:
    """The circuit in Qiskit; see :meth:`qhypernet.Circuit.to_qiskit`."""
    qiskit = _extras.module("qiskit", "ibm")
    values: Sequence[Any] = qiskit.circuit.ParameterVector("params", circuit.n_params)
    if params is not None:
        numbers = _check.floats("params", params, shape=f"({circuit.n_params},)")
        if numbers.shape != (circuit.n_params,):
            raise ValueError(f"params: expected shape ({circuit.n_params},), got {numbers.shape}")
        values = numbers.tolist()
    found = qiskit.QuantumCircuit(circuit.n_qubits)
    for gate in circuit:
        angle = gate.angle
        if gate.param is not None:
            angle = values[gate.param] if gate.scale == 1 else gate.scale * values[gate.param]
        getattr(found, gate.gate)(*([] if angle is None else [angle]), *gate.qubits)
    return found


def from_qiskit(
    empty: type[Circuit], circuit: QuantumCircuit, order: Sequence[str] | None = None
) -> Circuit:
    """A circuit from Qiskit's; see :meth:`qhypernet.Circuit.from_qiskit`.

    Args:
        empty: What to call for an empty circuit.
        circuit: The circuit.
        order: Names of its parameters in the order that ours shall have; None is Qiskit's own.
    """
    qiskit = _extras.module("qiskit", "ibm")
    if not isinstance(circuit, qiskit.QuantumCircuit):
        raise TypeError(f"circuit: expected a qiskit QuantumCircuit, got {circuit!r}")
    if not circuit.num_qubits:
        raise ValueError("circuit: expected at least one qubit, got none")
    parameters = list(circuit.parameters)
    if order is not None:
        parameters.sort(key=lambda parameter: order.index(parameter.name))
    builder = _Builder(empty(circuit.num_qubits, len(parameters)), parameters)
    builder.add(circuit, range(circuit.num_qubits))
    return builder.found


def to_qasm3(circuit: Circuit, params: ArrayLike | None = None) -> str:
    """OpenQASM 3; see :meth:`qhypernet.Circuit.to_qasm3`."""
    text: str = _extras.module("qiskit.qasm3", "ibm").dumps(to_qiskit(circuit, params))
    return text


def from_qasm3(empty: type[Circuit], text: str) -> Circuit:
    """A circuit from OpenQASM 3; see :meth:`qhypernet.Circuit.from_qasm3`."""
    qasm3 = _extras.module("qiskit.qasm3", "ibm")
    _extras.module("qiskit_qasm3_import", "ibm")
    try:
        circuit = qasm3.loads(text)
    except Exception as error:
        raise ValueError(f"text: expected OpenQASM 3 that Qiskit reads, got {error}") from None
    # Qiskit sorts parameters by name, t10 before t2; the program declares them in order.
    order = re.findall(r"^\s*input\s+\w+\s*(?:\[[^]]*\])?\s+(\w+)\s*;", text, re.MULTILINE)
    return from_qiskit(empty, circuit, order)


class _Builder:
    """A circuit that grows by what Qiskit's operations are made of."""

    def __init__(self, found: Circuit, parameters: list[Any]) -> None:
        standard = _extras.module("qiskit.circuit.library", "ibm")
        self.found = found
        self._index = {parameter: i for i, parameter in enumerate(parameters)}
        self._rotates = {row[0]: row[2] is not None for row in _core.gate_table()}
        # A gate's name alone says nothing: a program may define an rzz of its own.
        known = standard.get_standard_gate_name_mapping()
        self._ours = {known[name].base_class: name for name in self._rotates}
        self._u = standard.UGate
        self._touched: set[int] = set()
        self._measured: set[int] = set()

    def add(self, circuit: Any, qubits: Sequence[int]) -> None:
        """Appends all operations of a circuit that acts on these qubits."""
        place = dict(zip(circuit.qubits, qubits, strict=True))
        for instruction in circuit.data:
            self._operation(instruction.operation, [place[q] for q in instruction.qubits])

    def _operation(self, operation: Any, qubits: list[int]) -> None:
        name = operation.name
        if hasattr(operation, "blocks"):
            raise ValueError(f"circuit: expected no classical control, got {name} on {qubits}")
        if name in _SILENT:
            return
        if name == "measure":
            self._measured.update(qubits)
            return
        if late := self._measured.intersection(qubits):
            raise ValueError(
                f"circuit: expected measurements at the end only, got {name} on qubit "
                f"{min(late)} after it was measured"
            )
        if name == "reset":
            if self._touched.intersection(qubits):
                raise ValueError(f"circuit: expected no reset after a gate, got one on {qubits}")
            return
        ours = self._ours.get(operation.base_class)
        if ours is not None:
            self._gate(ours, qubits, *operation.params)
        elif operation.base_class is self._u:
            theta, phi, lam = operation.params
            for gate, angle in (("rz", lam), ("ry", theta), ("rz", phi)):
                self._gate(gate, qubits, angle)
        elif operation.definition is None:
            raise ValueError(f"circuit: expected gates with a definition, got {name} on {qubits}")
        else:
            self.add(operation.definition, qubits)

    def _gate(self, gate: str, qubits: list[int], angle: Any = None) -> None:
        self._touched.update(qubits)
        if not self._rotates[gate]:
            self.found.append(gate, *qubits)
            return
        # Turns about one axis add up: an affine angle is a turn for each term.
        terms, constant = self._affine(angle)
        for index, scale in terms:
            self.found.append(gate, *qubits, param=index, scale=scale)
        if constant or not terms:
            self.found.append(gate, *qubits, angle=constant)

    def _affine(self, angle: Any) -> tuple[list[tuple[int, float]], float]:
        """(parameter, factor) of each term, and the constant."""
        parameters: set[Any] = getattr(angle, "parameters", set())
        terms = []
        for parameter in sorted(parameters, key=self._index.__getitem__):
            slope = angle.gradient(parameter)
            if getattr(slope, "parameters", None):
                raise ValueError(
                    f"circuit: expected angles that are affine in the parameters, got {angle}"
                )
            terms.append((self._index[parameter], _real(slope, angle)))
        rest = angle.bind(dict.fromkeys(parameters, 0.0)) if parameters else angle
        return [term for term in terms if term[1]], _real(rest, angle)


def _real(value: Any, angle: Any) -> float:
    number = complex(value)
    if number.imag:
        raise ValueError(f"circuit: expected real angles, got {angle}")
    return number.real
