"""Circuits to and from Qiskit and OpenQASM 3, held against Qiskit's own operators."""

import sys

import numpy as np
import pytest
from oracles import build, n_params_of, random_ops
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.circuit.library import efficient_su2, get_standard_gate_name_mapping
from qiskit.quantum_info import Operator, Statevector, random_unitary

import qhypernet as qh

# Rounding of a hundred gates, and of decimals in programs: OpenQASM's numbers have 15 of them.
TOLERANCE = 1e-9


def _equal_up_to_phase(a, b):
    overlap = np.vdot(a, b)
    assert abs(overlap) == pytest.approx(1, abs=TOLERANCE)
    np.testing.assert_allclose(overlap * a, b, atol=TOLERANCE)


def _is_same(circuit, theirs, params):
    """Ours and Qiskit's circuit, as states from 0."""
    values = dict(zip(theirs.parameters, params, strict=True))
    state = Statevector(theirs.assign_parameters(values)).data
    _equal_up_to_phase(circuit.simulate(params).statevector(), state)


@pytest.mark.parametrize("seed", range(4))
def test_round_trips_through_qiskit_are_the_same_operator(seed):
    rng = np.random.default_rng(seed)
    n = 2 + seed % 3
    ops = random_ops(rng, n, 60)
    circuit, params = build(n, ops), rng.uniform(-7, 7, n_params_of(ops))
    theirs = circuit.to_qiskit()
    np.testing.assert_array_equal(
        Operator(theirs.assign_parameters(dict(zip(theirs.parameters, params, strict=True)))).data,
        Operator(circuit.to_qiskit(params)).data,
    )
    _is_same(circuit, theirs, params)
    back = qh.Circuit.from_qiskit(theirs)
    assert back.fingerprint == circuit.fingerprint
    for program in (circuit.to_qasm3(), circuit.to_qasm3(params)):
        again = qh.Circuit.from_qasm3(program)
        angles = params if again.n_params else np.zeros(0)
        found, expected = (
            Operator(c.to_qiskit(p)).data.ravel() / 2 ** (n / 2)
            for c, p in ((again, angles), (circuit, params))
        )
        _equal_up_to_phase(found, expected)


def test_a_trained_ansatz_has_the_same_distribution_in_qiskit():
    net = qh.BinaryNetwork((2, 1), activation="tanh")
    circuit = qh.ansatz.hardware_efficient(net.n_weights, 2)
    table = np.random.default_rng(0).normal(-5, 2, 2**net.n_weights)
    trained = qh.train(circuit, table, qh.ELBO(), n_inits=1, n_steps=20)
    theirs = Statevector(circuit.to_qiskit(trained.params[0])).probabilities()
    np.testing.assert_allclose(trained.probabilities()[0], theirs, atol=1e-13)


def test_many_parameters_keep_their_order():
    circuit = qh.Circuit(2)
    for i in range(24):
        circuit.ry(i % 2)
        circuit.cx(0, 1)
    params = np.random.default_rng(3).uniform(-3, 3, 24)
    expected = circuit.simulate(params).probabilities()
    for back in (
        qh.Circuit.from_qiskit(circuit.to_qiskit()),
        qh.Circuit.from_qasm3(circuit.to_qasm3()),
    ):
        np.testing.assert_allclose(back.simulate(params).probabilities(), expected, atol=1e-12)


@pytest.mark.parametrize("name", sorted(get_standard_gate_name_mapping()))
def test_every_standard_gate_is_taken_apart(name):
    gate = get_standard_gate_name_mapping()[name]
    if name in ("measure", "reset", "delay"):
        return
    n = max(gate.num_qubits, 1)
    theirs = QuantumCircuit(n)
    for q in range(n):
        theirs.ry(0.3 + 0.4 * q, q)
    theirs.append(gate, range(gate.num_qubits))
    if n > 1:
        theirs.cx(0, n - 1)
    for q in range(n):
        theirs.rx(0.2 + q, q)
    params = np.random.default_rng(1).uniform(-3, 3, theirs.num_parameters)
    _is_same(qh.Circuit.from_qiskit(theirs), theirs, params)


def test_affine_angles_and_composite_gates_keep_their_parameters():
    a, b = Parameter("a"), Parameter("b")
    v = ParameterVector("v", 3)
    theirs = efficient_su2(3, reps=1).decompose()
    theirs.crx(0.5 * a - 1, 0, 1)
    theirs.rzz(2 * a + b / 3 + 0.7, 1, 2)
    theirs.u(v[0] - v[1], -v[2], a, 0)
    theirs.unitary(random_unitary(4, seed=5), [0, 2])
    theirs.mcp(b, [0, 1], 2)
    inner = QuantumCircuit(2)
    inner.ry(v[1], 0)
    inner.cx(0, 1)
    theirs.append(inner.to_gate(), [2, 0])
    theirs.barrier()
    theirs.measure_all()
    circuit = qh.Circuit.from_qiskit(theirs)
    params = np.random.default_rng(2).uniform(-3, 3, theirs.num_parameters)
    theirs.remove_final_measurements()
    _is_same(circuit, theirs, params)
    # What came in can be trained: scaled angles have the right derivative.
    cost = np.random.default_rng(4).normal(size=8)

    def value(at):
        return float(circuit.simulate(at).probabilities() @ cost)

    step = 1e-6
    slope = [
        (value(params + step * unit) - value(params - step * unit)) / (2 * step)
        for unit in np.eye(len(params))
    ]
    # A central difference is off by step^2 and by 1e-16 / step.
    np.testing.assert_allclose(circuit.simulate(params).gradient(cost), slope, atol=3e-9)


def test_a_gate_is_not_known_by_its_name_alone():
    program = 'OPENQASM 3.0;\ninclude "stdgates.inc";\ngate rzz(t) a, b { h a; crx(t) a, b; }\n'
    circuit = qh.Circuit.from_qasm3(program + "qubit[2] q;\nrzz(0.8) q[0], q[1];\n")
    expected = QuantumCircuit(2)
    expected.h(0)
    expected.crx(0.8, 0, 1)
    np.testing.assert_allclose(
        circuit.simulate().probabilities(), Statevector(expected).probabilities(), atol=1e-12
    )


def _measured_early():
    theirs = QuantumCircuit(1, 1)
    theirs.measure(0, 0)
    theirs.x(0)
    return theirs


def _controlled():
    theirs = QuantumCircuit(1, 1)
    with theirs.if_test((0, 1)):
        theirs.x(0)
    return theirs


def _with_gate(name, *arguments):
    theirs = QuantumCircuit(2)
    theirs.h(0)
    getattr(theirs, name)(*arguments)
    return theirs


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_measured_early, r"measurements at the end only, got x on qubit 0 after"),
        (_controlled, r"no classical control, got if_else on \[0\]"),
        (lambda: _with_gate("reset", 0), r"no reset after a gate, got one on \[0\]"),
        (lambda: _with_gate("ry", Parameter("t") ** 2, 0), r"affine in the parameters, got t\*\*2"),
        (lambda: _with_gate("ry", (Parameter("t") * 1.0).sin(), 0), r"affine in the parameters"),
        (lambda: QuantumCircuit(0), r"at least one qubit, got none"),
        (lambda: "OPENQASM 3;", r"a qiskit QuantumCircuit, got 'OPENQASM 3;'"),
    ],
)
def test_what_cannot_be_expressed_is_refused_with_the_reason(make, reason):
    with pytest.raises((ValueError, TypeError), match=rf"^circuit: expected .*{reason}"):
        qh.Circuit.from_qiskit(make())


def test_a_bad_argument_is_named(monkeypatch):
    with pytest.raises(ValueError, match=r"^text: expected OpenQASM 3 that Qiskit reads, got"):
        qh.Circuit.from_qasm3("OPENQASM 3.0; qubit[2] q; hadamard q[0];")
    circuit = qh.ansatz.brickwork(2, 1)
    with pytest.raises(ValueError, match=r"^params: expected shape \(4,\), got \(3,\)"):
        circuit.to_qiskit(np.zeros(3))
    for arguments in ({"angle": 0.1, "scale": 2.0}, {"param": 0, "scale": np.inf}):
        with pytest.raises(ValueError, match=r"^scale: expected"):
            circuit.append("ry", 0, **arguments)
    monkeypatch.setitem(sys.modules, "qiskit", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'qhypernet\[ibm\]'"):
        circuit.to_qiskit()
