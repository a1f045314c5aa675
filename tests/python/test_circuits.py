"""Circuits against Qiskit and PennyLane, and what a bad circuit says."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import N_QUBITS, ROTATIONS, TABLE, Op, build, n_params_of, qiskit_state, random_ops

import qhypernet as qh

# Acceptance: a double has 2.2e-16 of rounding an operation, and the circuits at hand have a few
# thousand operations on each amplitude, whose errors add like a random walk.
AMPLITUDE_TOLERANCE = 1e-12
# Rounding of a float; each gate may move a state of norm 1 by a rounding or two of its amplitudes.
SINGLE_ROUNDING = float(np.finfo(np.float32).eps)


def _random_params(rng, *shape):
    """Angles well beyond the circle, where a wrong period of 2 pi instead of 4 pi shows."""
    return rng.uniform(-9, 9, shape)


@pytest.mark.parametrize(("gate", "n_qubits"), [row[:2] for row in TABLE])
def test_each_gate_on_each_choice_of_qubits_equals_qiskit(gate, n_qubits):
    n = 4
    rng = np.random.default_rng(sum(map(ord, gate)))
    prepare = random_ops(rng, n, 30)
    first = n_params_of(prepare)
    params = _random_params(rng, first + 1)
    places = [(a, b) for a in range(n) for b in range(n) if a != b]
    for qubits in places if n_qubits == 2 else [(q,) for q in range(n)]:
        op = Op(gate, qubits, first if gate in ROTATIONS else None)
        # A rotation of all qubits makes the gate's phases count in the probabilities too.
        ops = [*prepare, op, *(Op("ry", (q,), angle=0.4 + q) for q in range(n))]
        values = params[: n_params_of(ops)]
        state = build(n, ops).simulate(values)
        expected = qiskit_state(n, ops, values)
        np.testing.assert_allclose(state.statevector(), expected, rtol=0, atol=AMPLITUDE_TOLERANCE)
        np.testing.assert_allclose(
            state.probabilities(), abs(expected) ** 2, rtol=0, atol=AMPLITUDE_TOLERANCE
        )


@pytest.mark.parametrize(("gate", "n_qubits", "generator", "inverse"), TABLE)
def test_each_inverse_undoes_its_gate(gate, n_qubits, generator, inverse):
    rng = np.random.default_rng(4)
    prepare = random_ops(rng, 3, 20)
    params = _random_params(rng, n_params_of(prepare))
    angles = (1.3, -1.3) if generator else (None, None)
    qubits = (2, 0)[:n_qubits]
    ops = [*prepare, Op(gate, qubits, None, angles[0]), Op(inverse, qubits, None, angles[1])]
    np.testing.assert_allclose(
        build(3, ops).simulate(params).statevector(),
        build(3, prepare).simulate(params).statevector(),
        rtol=0,
        atol=AMPLITUDE_TOLERANCE,
    )


@pytest.mark.parametrize("n", range(1, 11))
@pytest.mark.parametrize("seed", range(3))
def test_random_circuits_equal_qiskit(n, seed):
    rng = np.random.default_rng([n, seed])
    ops = random_ops(rng, n, 50 + 5 * n)
    params = _random_params(rng, n_params_of(ops))
    np.testing.assert_allclose(
        build(n, ops).simulate(params).statevector(),
        qiskit_state(n, ops, params),
        rtol=0,
        atol=AMPLITUDE_TOLERANCE,
    )


@st.composite
def _circuits(draw):
    n = draw(st.integers(1, 5))
    names = [name for name in N_QUBITS if N_QUBITS[name] <= n]
    # Multiples of an eighth of the circle are where a special case of a kernel would be wrong.
    angles = st.integers(-16, 16).map(lambda k: k * np.pi / 4) | st.floats(-50, 50)
    ops = []
    for name in draw(st.lists(st.sampled_from(names), max_size=16)):
        qubits = tuple(draw(st.permutations(range(n)))[: N_QUBITS[name]])
        ops.append(Op(name, qubits, angle=draw(angles) if name in ROTATIONS else None))
    return n, ops


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(_circuits())
def test_short_circuits_with_special_angles_equal_qiskit(circuit):
    n, ops = circuit
    np.testing.assert_allclose(
        build(n, ops).simulate().statevector(),
        qiskit_state(n, ops, []),
        rtol=0,
        atol=AMPLITUDE_TOLERANCE,
    )


@pytest.mark.parametrize("n", [12, 13, 14, 15])
def test_states_of_several_tiles_equal_qiskit(n):
    rng = np.random.default_rng(n)
    # Every qubit is turned first, so that no part of the state is empty.
    ops = [Op("ry", (q,), angle=0.3 + 0.2 * q) for q in range(n)] + random_ops(rng, n, 60)
    params = _random_params(rng, n_params_of(ops))
    expected = qiskit_state(n, ops, params)
    state = build(n, ops).simulate(params)
    np.testing.assert_allclose(state.statevector(), expected, rtol=0, atol=AMPLITUDE_TOLERANCE)
    np.testing.assert_allclose(
        state.probabilities(), abs(expected) ** 2, rtol=0, atol=AMPLITUDE_TOLERANCE
    )


@pytest.mark.parametrize("n", [2, 7, 10, 14])
def test_single_precision_is_right_to_a_rounding_a_gate(n):
    rng = np.random.default_rng(n)
    ops = random_ops(rng, n, 80)
    params = _random_params(rng, n_params_of(ops))
    state = build(n, ops).simulate(params, dtype="single")
    assert state.statevector().dtype == np.complex64
    assert state.probabilities().dtype == np.float64
    expected = qiskit_state(n, ops, params)
    tolerance = len(ops) * SINGLE_ROUNDING
    np.testing.assert_allclose(state.statevector(), expected, rtol=0, atol=tolerance)
    np.testing.assert_allclose(state.probabilities(), abs(expected) ** 2, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", ["single", "double"])
@pytest.mark.parametrize("n", [1, 3, 6, 10, 13, 14])
def test_a_batch_equals_its_rows_bit_for_bit(n, dtype):
    rng = np.random.default_rng(n)
    circuit = build(n, [Op("ry", (0,), 0), *random_ops(rng, n, 45)])
    params = _random_params(rng, 5, circuit.n_params)
    batch = circuit.simulate(params, dtype=dtype)
    values, q = batch.statevector(), batch.probabilities()
    assert values.shape == q.shape == (5, 2**n)
    for i, row in enumerate(params):
        alone = circuit.simulate(row, dtype=dtype)
        assert alone.statevector().shape == (2**n,)
        np.testing.assert_array_equal(alone.statevector(), values[i])
        np.testing.assert_array_equal(alone.probabilities(), q[i])


@pytest.mark.parametrize(("n", "seed"), [(2, 0), (4, 1), (7, 2)])
def test_random_circuits_equal_pennylane(n, seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pennylane as qml
    own = {"p": "PhaseShift", "cx": "CNOT", "rxx": "IsingXX", "ryy": "IsingYY", "rzz": "IsingZZ"}
    names = {"h": "Hadamard", "x": "PauliX", "y": "PauliY", "z": "PauliZ", "swap": "SWAP", **own}
    rng = np.random.default_rng(seed)
    ops = random_ops(rng, n, 50)
    params = _random_params(rng, n_params_of(ops))

    @qml.qnode(qml.device("default.qubit", wires=n))
    def state():
        for op in ops:
            wires = [n - 1 - q for q in op.qubits]  # PennyLane's first wire is the highest bit.
            angle = op.scale * params[op.param] if op.param is not None else op.angle
            base = op.gate.removesuffix("dg")
            gate = getattr(qml, names.get(base, base.upper()))
            if base != op.gate:
                qml.adjoint(gate)(wires=wires)
            elif angle is None:
                gate(wires=wires)
            else:
                gate(float(angle), wires=wires)
        return qml.state()

    np.testing.assert_allclose(
        build(n, ops).simulate(params).statevector(), state(), rtol=0, atol=AMPLITUDE_TOLERANCE
    )


def test_a_state_keeps_its_circuit_and_parameters():
    circuit = qh.Circuit(2)
    circuit.ry(0)
    params = np.array([0.7])
    state = circuit.simulate(params)
    before, slope = state.probabilities(), state.gradient([0.0, 1.0, 2.0, 3.0])
    circuit.ry(1)
    circuit.h(0)
    params[0] = 3.0
    np.testing.assert_array_equal(state.probabilities(), before)
    np.testing.assert_array_equal(state.gradient([0.0, 1.0, 2.0, 3.0]), slope)


def test_parameters_may_have_any_layout():
    circuit = qh.ansatz.hardware_efficient(3, 2)
    params = np.random.default_rng(0).uniform(-3, 3, (4, circuit.n_params))
    expected = circuit.simulate(params).probabilities()
    wide = np.zeros((4, 2 * circuit.n_params))
    wide[:, ::2] = params
    for layout in (np.asfortranarray(params), wide[:, ::2], params.tolist()):
        np.testing.assert_array_equal(circuit.simulate(layout).probabilities(), expected)


def test_a_circuit_without_parameters_needs_none():
    circuit = qh.Circuit(2)
    circuit.x(1)
    np.testing.assert_array_equal(circuit.simulate().probabilities(), [0, 0, 1, 0])
    assert circuit.simulate(np.zeros((3, 0))).probabilities().shape == (3, 4)


def test_a_circuit_tells_its_gates_and_is_known_by_them():
    rng = np.random.default_rng(3)
    ops = random_ops(rng, 4, 40)
    circuit = build(4, ops)
    assert len(circuit) == 40
    assert [(g.gate, g.qubits, g.param, g.angle, g.scale) for g in circuit] == [
        tuple(op) for op in ops
    ]
    assert circuit.fingerprint == build(4, ops).fingerprint
    assert circuit.fingerprint != build(4, ops[:-1]).fingerprint
    assert circuit.fingerprint != build(5, ops).fingerprint


def _kron(factors):
    """Probabilities of independent qubits, qubit 0 the least significant."""
    q = np.ones(1)
    for p_one in factors:
        q = np.concatenate([q * (1 - p_one), q * p_one])
    return q


@pytest.mark.parametrize(
    ("rotations", "entangler", "topology"),
    [
        (("ry", "rz"), "cx", "linear"),
        (("rx",), "rzz", "circular"),
        (("p", "ry", "rx"), "cz", "full"),
        (("ry",), "ryy", "linear"),
    ],
)
def test_hardware_efficient_is_its_definition(rotations, entangler, topology):
    n, n_layers = 4, 3
    chain = [(0, 1), (1, 2), (2, 3)]
    pairs = {
        "linear": chain,
        "circular": [*chain, (3, 0)],
        "full": [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)],
    }[topology]
    ops = []
    for _ in range(n_layers):
        for qubit in range(n):
            ops += [Op(name, (qubit,), 0) for name in rotations]
        ops += [Op(entangler, pair, 0 if entangler in ROTATIONS else None) for pair in pairs]
    ops = _numbered(ops)
    circuit = qh.ansatz.hardware_efficient(n, n_layers, rotations, entangler, topology)
    _assert_same_states(circuit, n, ops)


@pytest.mark.parametrize(("n", "n_layers"), [(4, 3), (5, 2), (1, 2), (2, 4)])
def test_brickwork_is_its_definition(n, n_layers):
    ops = []
    for d in range(1, n_layers + 1):
        ops += [Op("cx", (j - 1, j)) for j in range(1 + d % 2, n, 2)]  # counted from 1
        ops += [Op("ry", (q,), (d - 1) * n + q) for q in range(n)]
        ops += [Op("rz", (q,), (n_layers + d - 1) * n + q) for q in range(n)]
    _assert_same_states(qh.ansatz.brickwork(n, n_layers), n, ops)


def _numbered(ops):
    """The same gates, each parameter the next one."""
    count = iter(range(len(ops)))
    return [op if op.param is None else op._replace(param=next(count)) for op in ops]


def _assert_same_states(circuit, n, ops):
    assert circuit.n_params == n_params_of(ops)
    params = np.random.default_rng(n).uniform(-3, 3, circuit.n_params)
    np.testing.assert_allclose(
        circuit.simulate(params).statevector(),
        qiskit_state(n, ops, params),
        rtol=0,
        atol=AMPLITUDE_TOLERANCE,
    )


def test_one_layer_of_brickwork_is_a_product_state():
    n = 7
    params = np.random.default_rng(0).uniform(-3, 3, 2 * n)
    q = qh.ansatz.brickwork(n, 1).simulate(params).probabilities()
    expected = _kron(np.sin(params[:n] / 2) ** 2)
    np.testing.assert_allclose(q, expected, rtol=0, atol=AMPLITUDE_TOLERANCE)


BAD_CIRCUITS = {
    "n_qubits": [lambda: qh.Circuit(0), lambda: qh.Circuit(2.5), lambda: qh.Circuit(-1)],
    "gate": [lambda: qh.Circuit(3).append("ccx", 0, 1, 2), lambda: qh.Circuit(3).append("RY", 0)],
    "qubit": [
        lambda: qh.Circuit(3).h(3),
        lambda: qh.Circuit(3).ry(-1),
        lambda: qh.Circuit(3).x(0.5),
        lambda: qh.Circuit(3).h(2**70),
        lambda: qh.Circuit(3).cx(1, 1),
        lambda: qh.Circuit(3).rzz(2, 2),
        lambda: qh.Circuit(3).append("cx", 0),
        lambda: qh.Circuit(3).append("h", 0, 1),
    ],
    "param": [lambda: qh.Circuit(3).ry(0, param=1), lambda: qh.Circuit(3).rxx(0, 1, param=-1)],
    "angle": [
        lambda: qh.Circuit(3).ry(0, param=0, angle=0.5),
        lambda: qh.Circuit(3).ry(0, angle=np.nan),
        lambda: qh.Circuit(3).append("h", 0, angle=0.5),
    ],
    "params": [
        lambda: qh.ansatz.brickwork(2, 1).simulate([0.1, np.nan, 0.2, 0.3]),
        lambda: qh.ansatz.brickwork(2, 1).simulate([0.1, np.inf, 0.2, 0.3]),
        lambda: qh.ansatz.brickwork(2, 1).simulate([0.1]),
        lambda: qh.ansatz.brickwork(2, 1).simulate(np.zeros((3, 5))),
        lambda: qh.ansatz.brickwork(2, 1).simulate(np.zeros((2, 2, 4))),
        lambda: qh.ansatz.brickwork(2, 1).simulate(np.zeros((0, 4))),
        lambda: qh.ansatz.brickwork(2, 1).simulate(["a", "b", "c", "d"]),
    ],
    "dtype": [lambda: qh.Circuit(1).simulate(dtype="half")],
    "circuit": [lambda: qh.Circuit(40).simulate(), lambda: qh.Circuit(1000).simulate()],
    "n_layers": [lambda: qh.ansatz.brickwork(2, 0), lambda: qh.ansatz.hardware_efficient(2, -1)],
    "rotations": [lambda: qh.ansatz.hardware_efficient(2, 1, ("ry", "h"))],
    "entangler": [lambda: qh.ansatz.hardware_efficient(2, 1, entangler="cy")],
    "topology": [lambda: qh.ansatz.hardware_efficient(2, 1, topology="ring")],
}


@pytest.mark.parametrize(
    ("argument", "call"), [(name, call) for name, calls in BAD_CIRCUITS.items() for call in calls]
)
def test_a_bad_argument_is_named(argument, call):
    with pytest.raises((ValueError, TypeError), match=rf"^{argument}s?: expected .*, got "):
        call()


@pytest.mark.parametrize(("n", "batch"), [(32, 100_000), (31, 200_000), (25, 2_000_000)])
def test_what_cannot_fit_says_how_much_it_needs_and_how_much_there_is(n, batch):
    """Each of these takes about a pebibyte or more, which no machine has."""
    circuit = qh.Circuit(n)
    circuit.ry(0)
    with pytest.raises(MemoryError, match=r"needs \d+\.\d [TP]iB but only \d.* is available"):
        circuit.simulate(np.zeros((batch, 1)))
