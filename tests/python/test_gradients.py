"""Gradients of the circuit by parameter shift, central differences and closed forms."""

import numpy as np
import pytest
from oracles import ROTATIONS, TABLE, Op, build, n_params_of, qiskit_state, random_ops

import qhypernet as qh

# Parameter shift is exact: what is left is rounding of a few thousand operations on each amplitude.
SHIFT_TOLERANCE = 1e-10
# Central differences of step h err by h**2/6 of a third derivative of about 1, and by 1e-16/h.
STEP = 1e-5
DIFFERENCE_TOLERANCE = 1e-6
# The derivative of a constant, 0, comes out as a sum of cancelling terms of about 1.
ZERO_TOLERANCE = 1e-13
SINGLE_ROUNDING = float(np.finfo(np.float32).eps)


def _shift_gradient(n, ops, params, cotangent):
    """One occurrence at a time by +-pi/2; a shared parameter sums over its occurrences."""
    places = [i for i, op in enumerate(ops) if op.param is not None]
    owners = [ops[i].param for i in places]
    scales = np.array([ops[i].scale for i in places])
    apart = list(ops)
    for own, i in enumerate(places):
        apart[i] = ops[i]._replace(param=own, scale=1.0)
    angles = scales * np.asarray(params)[owners]
    shifts = np.pi / 2 * np.eye(len(places))
    q = build(n, apart).simulate(np.concatenate([angles + shifts, angles - shifts]))
    values = q.probabilities() @ cotangent
    gradient = np.zeros(len(params))
    np.add.at(gradient, owners, scales * (values[: len(places)] - values[len(places) :]) / 2)
    return gradient


def _case(n, n_gates, seed=0):
    """A circuit in which every angle matters: all qubits are turned first and last."""
    rng = np.random.default_rng([n, n_gates, seed])
    ops = [Op("ry", (q,), angle=0.4 + 0.3 * q) for q in range(n)]
    ops += random_ops(rng, n, n_gates)
    ops += [Op("rx", (q,), angle=0.9 - 0.2 * q) for q in range(n)]
    return ops, rng.uniform(-4, 4, n_params_of(ops)), rng.normal(size=2**n)


@pytest.mark.parametrize("n", range(1, 9))
def test_equals_parameter_shift(n):
    ops, params, cotangent = _case(n, 50)
    gradient = build(n, ops).simulate(params).gradient(cotangent)
    expected = _shift_gradient(n, ops, params, cotangent)
    assert abs(expected).max() > 1e-2
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=SHIFT_TOLERANCE)


@pytest.mark.parametrize("n", [12, 13, 14, 15])
def test_equals_parameter_shift_on_states_of_several_tiles(n):
    ops, params, cotangent = _case(n, 45)
    gradient = build(n, ops).simulate(params).gradient(cotangent)
    expected = _shift_gradient(n, ops, params, cotangent)
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=SHIFT_TOLERANCE)


@pytest.mark.parametrize(("gate", "n_qubits"), [(r[0], r[1]) for r in TABLE if r[2]])
def test_each_rotation_on_each_choice_of_qubits(gate, n_qubits):
    n = 3
    places = [(a, b) for a in range(n) for b in range(n) if a != b]
    for qubits in places if n_qubits == 2 else [(q,) for q in range(n)]:
        ops, params, cotangent = _case(n, 12)
        new = n_params_of(ops)
        # Used twice, so that the sum over a shared parameter's occurrences is there too.
        ops = [*ops[:9], Op(gate, qubits, new), *ops[9:], Op(gate, qubits, new), *ops[-n:]]
        params = np.append(params, 0.8)
        ops = _in_order(ops)
        gradient = build(n, ops).simulate(params).gradient(cotangent)
        expected = _shift_gradient(n, ops, params, cotangent)
        assert abs(expected[_position(ops, gate, qubits)]) > 1e-3
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=SHIFT_TOLERANCE)


def _in_order(ops):
    """The same circuit with parameters numbered in order of appearance."""
    number = {}
    for op in ops:
        if op.param is not None:
            number.setdefault(op.param, len(number))
    return [op if op.param is None else op._replace(param=number[op.param]) for op in ops]


def _position(ops, gate, qubits):
    return next(op.param for op in reversed(ops) if op[:2] == (gate, qubits) and op.angle is None)


def test_equals_central_differences_of_qiskit():
    n = 3
    ops, params, cotangent = _case(n, 40, seed=2)
    gradient = build(n, ops).simulate(params).gradient(cotangent)

    def value(at):
        return abs(qiskit_state(n, ops, at)) ** 2 @ cotangent

    expected = [(value(params + h) - value(params - h)) / 2e-5 for h in STEP * np.eye(len(params))]
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=DIFFERENCE_TOLERANCE)


@pytest.mark.parametrize("n", [4, 6, 10])
def test_equals_central_differences(n):
    ops, params, cotangent = _case(n, 60, seed=1)
    circuit = build(n, ops)
    steps = STEP * np.eye(len(params))
    ahead = circuit.simulate(params + steps).probabilities() @ cotangent
    behind = circuit.simulate(params - steps).probabilities() @ cotangent
    gradient = circuit.simulate(params).gradient(cotangent)
    expected = (ahead - behind) / (2 * STEP)
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=DIFFERENCE_TOLERANCE)


@pytest.mark.parametrize("dtype", ["single", "double"])
@pytest.mark.parametrize("n", [3, 10, 14])
def test_batches_equal_their_rows_bit_for_bit(n, dtype):
    ops, params, _ = _case(n, 40)
    circuit = build(n, ops)
    rng = np.random.default_rng(n)
    batch = params + rng.normal(size=(4, len(params)))
    cotangents = rng.normal(size=(4, 2**n))
    state = circuit.simulate(batch, dtype=dtype)
    shared, own = state.gradient(cotangents[0]), state.gradient(cotangents)
    assert shared.shape == own.shape == batch.shape
    for i in range(4):
        alone = circuit.simulate(batch[i], dtype=dtype)
        np.testing.assert_array_equal(shared[i], alone.gradient(cotangents[0]))
        np.testing.assert_array_equal(own[i], alone.gradient(cotangents[i]))


@pytest.mark.parametrize("n", [2, 8, 13, 14])
def test_single_precision(n):
    ops, params, cotangent = _case(n, 60)
    state = build(n, ops).simulate(params, dtype="single")
    expected = _shift_gradient(n, ops, params, cotangent)
    # A rounding a gate for the state and one for its cotangent, whose norm is at most max |f|.
    tolerance = 2 * len(ops) * SINGLE_ROUNDING * abs(cotangent).max()
    gradient = state.gradient(cotangent)
    assert gradient.dtype == np.float64
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=tolerance)


def test_a_product_state_has_the_gradient_of_sines():
    n = 5
    angles = np.random.default_rng(1).uniform(-3, 3, n)
    circuit = qh.Circuit(n)
    for qubit in range(n):
        circuit.ry(qubit)
    bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    # E[sum_i c_i bit_i] = sum_i c_i sin(theta_i / 2)**2.
    costs = np.array([1.0, -0.7, 0.4, 2.0, 0.1])
    gradient = circuit.simulate(angles).gradient(bits @ costs)
    expected = costs * np.sin(angles) / 2
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=SHIFT_TOLERANCE)


def test_a_constant_cotangent_has_no_gradient_and_the_rest_is_linear():
    ops, params, f = _case(5, 50)
    state = build(5, ops).simulate(params)
    np.testing.assert_allclose(state.gradient(np.full(32, 3.0)), 0, atol=ZERO_TOLERANCE)
    g = np.random.default_rng(9).normal(size=32)
    together = state.gradient(2.0 * f - 0.5 * g)
    apart = 2.0 * state.gradient(f) - 0.5 * state.gradient(g)
    np.testing.assert_allclose(together, apart, rtol=0, atol=SHIFT_TOLERANCE)


def test_phases_before_the_measurement_have_no_gradient_at_all():
    circuit = qh.Circuit(3)
    for qubit in range(3):
        circuit.ry(qubit)
    last = [circuit.rz(0), circuit.p(1), circuit.rzz(0, 2)]
    circuit.cx(0, 1)
    last.append(circuit.rz(1))
    params = np.random.default_rng(5).uniform(-3, 3, circuit.n_params)
    gradient = circuit.simulate(params).gradient(np.arange(8.0) ** 1.5)
    np.testing.assert_array_equal(gradient[last], 0)
    assert (abs(gradient[:3]) > 1e-3).all()


def test_a_parameter_that_no_gate_uses_has_no_gradient():
    circuit = qh.Circuit(1, n_params=3)
    circuit.ry(0, param=1)
    gradient = circuit.simulate([0.1, 0.2, 0.3]).gradient([0.0, 1.0])
    np.testing.assert_allclose(gradient, [0, np.sin(0.2) / 2, 0], rtol=0, atol=SHIFT_TOLERANCE)


def test_all_rotations_of_the_table_are_covered():
    assert {op.gate for op in _case(4, 50)[0] if op.param is not None} >= set(ROTATIONS)


@pytest.mark.parametrize(
    "cotangent",
    [
        np.ones(7),
        np.ones(16),
        np.ones((3, 8)),
        np.ones((2, 4)),
        np.array([1, 2, 3, 4, 5, 6, 7, np.nan]),
        np.full((2, 8), np.inf),
        ["a"] * 8,
        1.0,
    ],
)
def test_a_bad_cotangent_is_named(cotangent):
    circuit = qh.ansatz.brickwork(3, 1)
    state = circuit.simulate(np.zeros((2, 6)))
    with pytest.raises((ValueError, TypeError), match=r"^cotangent: expected .*, got "):
        state.gradient(cotangent)
