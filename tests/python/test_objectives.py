"""Objectives and their gradients against the definitions in NumPy, and in closed form."""

import numpy as np
import pytest
from oracles import (
    all_bits,
    build,
    cotangent,
    divergence,
    evaluate,
    n_params_of,
    prior_probabilities,
    random_ops,
)

import qhypernet as qh
from qhypernet import _core
from qhypernet.gradients import Exact
from qhypernet.gradients._base import Term
from qhypernet.objectives import Target

# Sums over 2**n outcomes of terms of about 10.
VALUE_TOLERANCE = 1e-11
# Both sides are exact up to rounding of the state and of terms of about 10.
GRADIENT_TOLERANCE = 1e-10
# Central differences of step h, Richardson-extrapolated: what is left is h**4 of a fifth
# derivative of about 100 and rounding of values of about 30 by h.
STEP = 1e-3
DIFFERENCE_TOLERANCE = 1e-7

OBJECTIVES = [
    qh.MLE(),
    qh.ELBO(),
    qh.ELBO(beta=2.3),
    qh.ELBO(beta=0),
    qh.SELBO(weight=14.0, kernel=qh.HammingKernel(1.9)),
    qh.SELBO(weight=31.0, kernel=qh.HammingKernel((1.2, 2.7, 5.0))),
]


def _case(n, seed=0):
    rng = np.random.default_rng([n, seed])
    ops = random_ops(rng, n, 40)
    circuit = build(n, ops)
    for qubit in range(n):  # No outcome is impossible, and all are well away from 0.
        circuit.ry(qubit, angle=0.7 + 0.2 * qubit)
    params = rng.uniform(-3, 3, (2, n_params_of(ops)))
    prior = qh.BernoulliPrior(n, rng.uniform(0.15, 0.9, n))
    return circuit, params, prior, rng.normal(-9, 4, 2**n)


def _value(circuit, params, prior, table, objective):
    q = circuit.simulate(params).probabilities()
    p = prior_probabilities(prior.p_plus)
    return -float(q @ table) + objective.weight * divergence(q, p, objective)


@pytest.mark.parametrize("n", [1, 3, 5])
@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_values_are_the_definitions(objective, n):
    circuit, params, prior, table = _case(n)
    found = evaluate(Exact(), circuit, table, prior, objective, params)
    for i, row in enumerate(params):
        q = circuit.simulate(row).probabilities()
        expected = objective.weight * divergence(q, prior_probabilities(prior.p_plus), objective)
        assert abs(found.expected_nll[i] + q @ table) < VALUE_TOLERANCE
        assert abs(found.regularizer[i] - expected) < VALUE_TOLERANCE


@pytest.mark.parametrize("n", [1, 3, 5])
@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_gradients_equal_central_differences_of_the_definitions(objective, n):
    circuit, params, prior, table = _case(n)
    found = evaluate(Exact(), circuit, table, prior, objective, params).gradient

    def slope(row, direction, h):
        ahead = _value(circuit, row + h * direction, prior, table, objective)
        return (ahead - _value(circuit, row - h * direction, prior, table, objective)) / (2 * h)

    for i, row in enumerate(params):
        for j, direction in enumerate(np.eye(len(row))):
            near, far = slope(row, direction, STEP / 2), slope(row, direction, STEP)
            assert abs(found[i, j] - (4 * near - far) / 3) < DIFFERENCE_TOLERANCE


@pytest.mark.parametrize("n", [4, 8, 10])
@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_gradients_are_those_of_the_cotangents(objective, n):
    circuit, params, prior, table = _case(n, seed=1)
    found = evaluate(Exact(), circuit, table, prior, objective, params).gradient
    p = prior_probabilities(prior.p_plus)
    for i, row in enumerate(params):
        state = circuit.simulate(row)
        expected = state.gradient(cotangent(state.probabilities(), p, table, objective))
        np.testing.assert_allclose(found[i], expected, rtol=0, atol=GRADIENT_TOLERANCE)


def _one_layer(n, seed=0):
    """Qubits that are turned apart, some of them from 1, and then only relabelled and rephased."""
    rng = np.random.default_rng([n, seed])
    circuit = qh.Circuit(n)
    for qubit in np.flatnonzero(rng.random(n) < 0.4):
        circuit.x(int(qubit))
    for qubit in range(n):
        circuit.ry(qubit)
        if qubit % 3 == 1:
            circuit.ry(qubit, param=0)
        circuit.ry(qubit, angle=rng.uniform(-1, 1))
        circuit.rz(qubit)
    for _ in range(3 * n):
        a, b = (int(q) for q in rng.permutation(n)[:2]) if n > 1 else (0, 0)
        circuit.x(a)
        circuit.rz(b)
        if n > 1:
            circuit.cx(a, b)
            circuit.rzz(a, b)
    prior = qh.BernoulliPrior(n, rng.uniform(0.15, 0.9, n))
    return circuit, rng.uniform(-3, 3, (11, circuit.n_params)), prior, rng.normal(-9, 4, 2**n)


@pytest.mark.parametrize("is_uniform", [False, True])
@pytest.mark.parametrize("n", [1, 2, 5, 8, 9])
@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_circuits_of_one_layer_equal_the_simulated_state(objective, n, is_uniform):
    # These take a way of their own, without a state: eleven rows are a whole group and a part.
    circuit, params, prior, table = _one_layer(n)
    prior = qh.BernoulliPrior(n) if is_uniform else prior
    found = evaluate(Exact(), circuit, table, prior, objective, params)
    p = prior_probabilities(prior.p_plus)
    for i, row in enumerate(params):
        state = circuit.simulate(row)
        q = state.probabilities()
        expected = objective.weight * divergence(q, p, objective)
        assert abs(found.expected_nll[i] + q @ table) < VALUE_TOLERANCE
        assert abs(found.regularizer[i] - expected) < VALUE_TOLERANCE
        gradient = state.gradient(cotangent(q, p, table, objective))
        np.testing.assert_allclose(found.gradient[i], gradient, rtol=0, atol=GRADIENT_TOLERANCE)
    assert abs(found.gradient).max() > 0.1
    # A row is the same in any batch.
    few = evaluate(Exact(), circuit, table, prior, objective, params[3:5])
    np.testing.assert_array_equal(few.gradient, found.gradient[3:5])


def test_tables_are_made_anew_for_another_circuit_or_kernel():
    # One problem for all of them, as nobody but a test has it.
    _, _, prior, table = _one_layer(6)
    problem = _core.Problem(table, prior.p_plus)
    for seed, objective in [(0, 4), (1, 4), (1, 5), (0, 5), (0, 1), (2, 1), (2, 0), (0, 4)]:
        circuit, params, _, _ = _one_layer(6, seed)
        o = OBJECTIVES[objective]
        term = Term(o, Target(-table, prior), o.weight)
        shared = Exact()(circuit, problem, term, params, seed=0, step=0)
        own = evaluate(Exact(), circuit, table, prior, o, params)
        np.testing.assert_array_equal(shared.gradient, own.gradient)
        np.testing.assert_array_equal(shared.regularizer, own.regularizer)


@pytest.mark.parametrize("one_layer", [False, True])
@pytest.mark.parametrize("objective", [OBJECTIVES[1], OBJECTIVES[4], OBJECTIVES[5]], ids=repr)
def test_states_of_several_tiles(objective, one_layer):
    n = 14
    circuit, params, prior, table = (_one_layer if one_layer else _case)(n)
    found = evaluate(Exact(), circuit, table, prior, objective, params[:1])
    state = circuit.simulate(params[0])
    q, p = state.probabilities(), prior.probabilities()
    if isinstance(objective, qh.ELBO):
        f = np.log(q) - np.log(p)
        expected = float(q @ f)
    else:  # K is too large to hold: one butterfly a bit and bandwidth.
        f = np.zeros(2**n)
        for s in objective.kernel.bandwidths:
            v, e = q - p, np.exp(-2 / s**2)
            for bit in range(n):
                pairs = v.reshape(-1, 2, 2**bit)
                v = (pairs + e * pairs[:, ::-1]).ravel()
            f += v / len(objective.kernel.bandwidths)
        expected, f = float((q - p) @ f), 2 * f
    np.testing.assert_allclose(found.regularizer[0], objective.weight * expected, rtol=1e-10)
    gradient = state.gradient(-table + objective.weight * f)
    np.testing.assert_allclose(found.gradient[0], gradient, rtol=0, atol=GRADIENT_TOLERANCE)


def test_minus_the_elbo_is_the_divergence_from_the_posterior_less_the_evidence():
    circuit, params, prior, table = _case(6)
    found = evaluate(Exact(), circuit, table, prior, qh.ELBO(), params)
    posterior = qh.exact_posterior(table, prior)
    gap = posterior.log_evidence + found.expected_nll + found.regularizer
    expected = posterior.kl_from(circuit.simulate(params).probabilities())
    np.testing.assert_allclose(gap, expected, rtol=0, atol=VALUE_TOLERANCE)
    assert (expected > 0.1).all()


@pytest.mark.parametrize("case", [_case, _one_layer])
def test_a_constant_in_the_table_changes_no_gradient(case):
    circuit, params, prior, table = case(5)
    for objective in OBJECTIVES:
        near = evaluate(Exact(), circuit, table, prior, objective, params)
        far = evaluate(Exact(), circuit, table - 1e6, prior, objective, params)
        # 1e6 is stored to 1e-10, and the circuit has about 40 gates.
        np.testing.assert_allclose(far.gradient, near.gradient, rtol=0, atol=1e-8)
        np.testing.assert_allclose(far.expected_nll, near.expected_nll + 1e6, rtol=1e-12)


def _product_case():
    """Qubits that stay apart: P(bit i = 1) = sin(theta_i / 2)**2, and a table that is a sum."""
    n = 6
    rng = np.random.default_rng(3)
    angles = rng.uniform(0.4, 2.7, n) * rng.choice([-1, 1], n)
    costs = rng.normal(0, 3, n)
    prior = qh.BernoulliPrior(n, rng.uniform(0.2, 0.9, n))
    return qh.ansatz.brickwork(n, 1), angles, costs, prior, -(all_bits(n) @ costs)


def test_closed_form_of_a_product_state():
    circuit, angles, costs, prior, table = _product_case()
    params = np.concatenate([angles, np.linspace(-2, 2, 6)])  # The last RZs do not matter.
    one, slope = np.sin(angles / 2) ** 2, np.sin(angles) / 2
    zero, plus = 1 - one, prior.p_plus
    elbo = evaluate(Exact(), circuit, table, prior, qh.ELBO(beta=1.4), params[None])
    np.testing.assert_allclose(elbo.expected_nll, costs @ one, rtol=1e-12)
    kl = zero @ np.log(zero / plus) + one @ np.log(one / (1 - plus))
    np.testing.assert_allclose(elbo.regularizer, 1.4 * kl, rtol=1e-12)
    log_odds = np.log(one / zero) - np.log((1 - plus) / plus)
    expected = np.append(slope * (costs + 1.4 * log_odds), np.zeros(6))
    np.testing.assert_allclose(elbo.gradient[0], expected, rtol=0, atol=GRADIENT_TOLERANCE)

    bandwidths = (1.5, 3.1)
    selbo = qh.SELBO(weight=20.0, kernel=qh.HammingKernel(bandwidths))
    found = evaluate(Exact(), circuit, table, prior, selbo, params[None])
    mmd2, mmd2_slope = 0.0, np.zeros(6)
    for s in bandwidths:
        e = np.exp(-2 / s**2)

        def similarity(a, b, e=e):  # Each bit's factor of E k(w, w') for independent w, w'.
            return a * b + (1 - a) * (1 - b) + e * (a * (1 - b) + (1 - a) * b)

        qq, qp, pp = similarity(one, one), similarity(one, 1 - plus), similarity(plus, plus)
        mmd2 += (qq.prod() - 2 * qp.prod() + pp.prod()) / 2
        d_qq = 2 * (1 - e) * (2 * one - 1) * slope
        d_qp = (1 - e) * (1 - 2 * plus) * slope
        mmd2_slope += (qq.prod() * d_qq / qq - 2 * qp.prod() * d_qp / qp) / 2
    np.testing.assert_allclose(found.regularizer, 20 * mmd2, rtol=1e-10)
    expected = np.append(slope * costs + 20 * mmd2_slope, np.zeros(6))
    np.testing.assert_allclose(found.gradient[0], expected, rtol=0, atol=GRADIENT_TOLERANCE)


def test_outcomes_that_cannot_happen_are_no_problem():
    circuit, _, _, prior, table = _product_case()
    params = np.zeros((1, 12))
    params[0, 2] = 1.1
    found = evaluate(Exact(), circuit, table, prior, qh.ELBO(), params)
    q = circuit.simulate(params[0]).probabilities()
    assert (q > 0).sum() == 2
    p = prior_probabilities(prior.p_plus)
    expected = sum(q[z] * np.log(q[z] / p[z]) for z in np.flatnonzero(q))
    np.testing.assert_allclose(found.regularizer, expected, rtol=1e-12)
    assert np.isfinite(found.gradient).all()
    assert abs(found.gradient[0, 2]) > 1e-2


def test_the_default_kernel_is_that_for_the_weights():
    circuit, params, prior, table = _case(5)
    default = evaluate(Exact(), circuit, table, prior, qh.SELBO(weight=5.0), params)
    named = qh.SELBO(weight=5.0, kernel=qh.HammingKernel(np.sqrt(2.5)))
    expected = evaluate(Exact(), circuit, table, prior, named, params)
    np.testing.assert_array_equal(default.gradient, expected.gradient)


BAD_ARGUMENTS = {
    "beta": [-0.1, np.nan, np.inf, "one", None, qh.Schedule(1, -1, "linear")],
    "weight": [-1, np.nan, "heavy", qh.Schedule(-1, 1, "linear")],
    "kernel": [1.5, "gaussian"],
}


@pytest.mark.parametrize(("name", "value"), [(k, v) for k, vs in BAD_ARGUMENTS.items() for v in vs])
def test_a_bad_argument_is_named(name, value):
    make = qh.ELBO if name == "beta" else qh.SELBO
    with pytest.raises((ValueError, TypeError), match=rf"^{name}: expected .*, got "):
        make(**{name: value})
