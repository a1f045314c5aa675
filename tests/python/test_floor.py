"""The least of an objective over all distributions, against another solver and its conditions."""

import numpy as np
import pytest
from oracles import all_bits, divergence, kernel, kl, prior_probabilities
from scipy.optimize import minimize

import qhypernet as qh

# SLSQP works to about the root of its tolerance in q, and its square in the value.
VALUE_TOLERANCE = 1e-6
# Nats that a distribution could still be lower by; the search stops at 1e-9 or where it is stuck.
GAP = 1e-5

KERNEL = qh.HammingKernel((1.1, 2.3))
CASES = [
    qh.ELBO(),
    qh.ELBO(3.0),
    qh.SELBO(2.0, KERNEL),
    qh.SELBO(30.0, qh.HammingKernel(1.7)),
    qh.SELBO(100.0, KERNEL),
]


def _case(n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(-8, 3, 2**n), qh.BernoulliPrior(n, rng.uniform(0.2, 0.8, n))


def _value(q, objective, table, prior):
    p = prior_probabilities(prior.p_plus)
    return -q @ table + objective.weight * divergence(q, p, objective)


def _by_slsqp(objective, table, prior):
    """Another solver, with masses and a constraint, and no gradient of ours."""
    found = minimize(
        _value,
        np.full(table.size, 1 / table.size),
        args=(objective, table, prior),
        method="SLSQP",
        bounds=[(1e-12, 1)] * table.size,
        constraints={"type": "eq", "fun": lambda q: q.sum() - 1},
        options={"ftol": 1e-12, "maxiter": 1000},
    )
    assert found.success, found.message
    return found.fun


@pytest.mark.parametrize("objective", CASES, ids=repr)
def test_another_solver_finds_the_same_minimum(objective):
    for seed in range(2):
        table, prior = _case(4, seed)
        found = qh.floor(objective, table, prior)
        q = found.probabilities
        np.testing.assert_allclose(found.value, _value(q, objective, table, prior), rtol=1e-9)
        assert abs(found.value - _by_slsqp(objective, table, prior)) < VALUE_TOLERANCE
        assert 0 <= found.gap < GAP
        posterior = qh.exact_posterior(table, prior).probabilities
        np.testing.assert_allclose(found.kl, kl(q, posterior), rtol=1e-6, atol=1e-12)


def test_the_best_selbo_meets_the_conditions_of_a_minimum_and_leaves_networks_out():
    table, prior = _case(6)
    weight = 30.0
    found = qh.floor(qh.SELBO(weight, KERNEL), table, prior)
    bits = all_bits(6)
    gram = kernel(bits, bits, KERNEL.bandwidths)
    q = found.probabilities
    f = -table + 2 * weight * gram @ (q - prior_probabilities(prior.p_plus))
    kept = q > 1e-6
    # Karush, Kuhn and Tucker: the same slope wherever there is mass, none lower elsewhere.
    assert 1 < kept.sum() < 64
    assert np.ptp(f[kept]) < 1e-3
    assert f.min() > q @ f - GAP
    assert abs(found.gap - (q @ f - f.min())) < 1e-9
    assert found.kl > 0.01


@pytest.mark.parametrize(
    "objective",
    [
        qh.ForwardKL(2.0),
        qh.JensenShannon(3.0),
        qh.SquaredHellinger(3.0),
        qh.Renyi(alpha=0.5),
        qh.RootMMD(5.0),
    ],
    ids=repr,
)
def test_no_neighbour_is_lower_for_the_divergences_either(objective):
    table, prior = _case(5, seed=2)
    found = qh.floor(objective, table, prior)
    assert found.gap < GAP
    rng = np.random.default_rng(0)
    p = prior_probabilities(prior.p_plus)

    def value(q):
        return -q @ table + objective.weight * objective.between(q[None], p)[0][0]

    assert abs(value(found.probabilities) - found.value) < 1e-9
    for _ in range(50):
        other = (1 - 1e-3) * found.probabilities + 1e-3 * rng.dirichlet(np.full(32, 0.1))
        assert value(other) > found.value - GAP * 1e-3


def test_posterior_and_best_network_are_floors():
    table, prior = _case(5)
    for objective in (qh.ELBO(qh.Schedule(50, 1)), qh.KSD()):
        assert qh.floor(objective, table, prior).kl < 1e-9
    best = qh.floor(qh.MLE(), table, prior)
    assert abs(best.value + table.max()) < 1e-9
    assert best.probabilities[table.argmax()] > 1 - 1e-9


def test_takes_a_problem_and_refuses_what_is_no_objective():
    net = qh.BinaryNetwork((1, 1))
    problem = qh.Problem(net, [[0.5], [-1.0]], [1, 0])
    by_problem = qh.floor(qh.SELBO(2.0), problem)
    by_table = qh.floor(qh.SELBO(2.0), problem.table)
    np.testing.assert_array_equal(by_problem.probabilities, by_table.probabilities)
    with pytest.raises(TypeError, match="objective: expected one such as SELBO"):
        qh.floor("selbo", problem)
