"""States and gradients: four layers of RY and RZ on every qubit and a chain of CX.

The peers' circuits are built and their parameters bound beforehand; ours takes the parameters at
each call. PennyLane's device is called directly, without the cost of a QNode around it.
"""

from __future__ import annotations

import numpy as np
import pennylane as qml
from _harness import Case
from numpy.typing import NDArray
from pennylane.tape import QuantumScript
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector

import qhypernet as qh

N_LAYERS = 4
# Rounding of a few hundred gates on amplitudes, and of 2^n of them in a gradient.
TOLERANCE = 1e-10


def forward(n_qubits: int) -> Case:
    """To complex amplitudes in a NumPy array."""
    circuit, params = _ansatz(n_qubits)
    bound = _qiskit(circuit, params)
    device = qml.device("lightning.qubit", wires=n_qubits)
    tape = QuantumScript(_pennylane(circuit, params), [qml.state()])
    return Case(
        name=f"forward, n = {n_qubits}",
        amount=2.0**n_qubits,
        unit="amplitudes",
        ours=lambda: circuit.simulate(params).statevector(),
        peers={
            "Qiskit Statevector": lambda: Statevector.from_instruction(bound).data,
            "lightning.qubit": lambda: device.execute(tape),
        },
        tolerance=TOLERANCE,
    )


def gradient(n_qubits: int) -> Case:
    """Of all parameters of the sum of all Z: forward and backward."""
    circuit, params = _ansatz(n_qubits)
    device = qml.device("lightning.qubit", wires=n_qubits)
    observable = qml.Hamiltonian(np.ones(n_qubits), [qml.Z(wire) for wire in range(n_qubits)])
    tape = QuantumScript(_pennylane(circuit, params), [qml.expval(observable)])
    # The observable's coefficients come after the angles, and are not asked for.
    tape.trainable_params = list(range(circuit.n_params))
    # The sum over qubits of +1 for bit 0 and -1 for bit 1.
    cotangent = n_qubits - 2.0 * np.bitwise_count(np.arange(2**n_qubits))
    return Case(
        name=f"gradient, n = {n_qubits}",
        amount=2.0**n_qubits,
        unit="amplitudes",
        ours=lambda: circuit.simulate(params).gradient(cotangent),
        peers={"lightning.qubit adjoint": lambda: device.compute_derivatives(tape)},
        tolerance=TOLERANCE,
    )


def _ansatz(n_qubits: int) -> tuple[qh.Circuit, NDArray[np.float64]]:
    circuit = qh.ansatz.hardware_efficient(n_qubits, N_LAYERS)
    return circuit, np.random.default_rng(n_qubits).uniform(-np.pi, np.pi, circuit.n_params)


def _qiskit(circuit: qh.Circuit, params: NDArray[np.float64]) -> QuantumCircuit:
    bound = QuantumCircuit(circuit.n_qubits)
    for gate in circuit:
        angle = [] if gate.param is None else [params[gate.param]]
        getattr(bound, gate.gate)(*angle, *gate.qubits)
    return bound


def _pennylane(circuit: qh.Circuit, params: NDArray[np.float64]) -> list[qml.operation.Operator]:
    classes = {"ry": qml.RY, "rz": qml.RZ, "cx": qml.CNOT}
    operations = []
    for gate in circuit:
        # PennyLane's wire 0 is the most significant bit of an outcome's index.
        wires = [circuit.n_qubits - 1 - qubit for qubit in gate.qubits]
        angle = [] if gate.param is None else [params[gate.param]]
        operations.append(classes[gate.gate](*angle, wires=wires))
    return operations
