"""Circuits in the form that a backend runs."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qhypernet import _extras

if TYPE_CHECKING:
    from qiskit import QuantumCircuit


@dataclass(frozen=True)
class Compiled:
    """A circuit as it is submitted: with a measurement of every qubit into the register "meas"."""

    circuit: QuantumCircuit

    @property
    def columns(self) -> list[int]:
        """Which of our parameters Qiskit's are, in Qiskit's order; it may have dropped some."""
        return [parameter.index for parameter in self.circuit.parameters]

    @property
    def qubits(self) -> list[int]:
        """The backend's qubit that each of ours is measured on, shape (n,)."""
        circuit = self.circuit
        places: dict[int, int] = {}
        for instruction in circuit.data:
            if instruction.operation.name == "measure":
                bit = circuit.find_bit(instruction.clbits[0]).index
                places[bit] = circuit.find_bit(instruction.qubits[0]).index
        return [places[bit] for bit in sorted(places)]

    @property
    def depth(self) -> int:
        """Layers of gates, measurement included."""
        return int(self.circuit.depth())

    @property
    def two_qubit_gates(self) -> int:
        """Gates on two qubits."""
        return int(self.circuit.num_nonlocal_gates())

    def pub(self, params: NDArray[np.float64]) -> tuple[QuantumCircuit, NDArray[np.float64]]:
        """One PUB for settings (B, P)."""
        return self.circuit, np.ascontiguousarray(params[:, self.columns])

    def to_bytes(self) -> bytes:
        """The circuit in Qiskit's file format."""
        buffer = io.BytesIO()
        _extras.module("qiskit.qpy", "ibm").dump(self.circuit, buffer)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Compiled:
        """What :meth:`to_bytes` wrote."""
        return cls(_extras.module("qiskit.qpy", "ibm").load(io.BytesIO(content))[0])


def measured(circuit: QuantumCircuit) -> QuantumCircuit:
    """With every qubit measured into "meas", whose bit i is qubit i."""
    found = circuit.copy()
    found.measure_all()
    return found


def measured_bits(result: Any, shape: tuple[int, int], n_qubits: int) -> NDArray[np.uint8]:
    """Bits (B, S, n) of the one PUB of a result, which asked for ``shape`` = (B, shots).

    Raises:
        IncompleteError: Fewer settings or shots than were asked for.
    """
    try:
        bits = result[0].data.meas
        found: NDArray[np.uint8] = bits.to_bool_array(order="little").astype(np.uint8)
    except (AttributeError, IndexError, TypeError) as error:
        raise IncompleteError(f"expected a register of measured bits, got none: {error}") from None
    expected = (*shape, n_qubits)
    whole = found.ndim == 3 and found.shape[::2] == expected[::2] and found.shape[1] >= shape[1]
    if not whole:
        raise IncompleteError(f"expected settings, shots and qubits {expected}, got {found.shape}")
    return found


class IncompleteError(ValueError):
    """A result without all that was asked for."""
