"""The exact posterior against sums over all networks."""

import math

import numpy as np
import pytest
from oracles import all_bits, kl, log_likelihood, prior_probabilities

import qhypernet as qh

# Sums of 2**n terms of at most about 1.
TOLERANCE = 1e-12


def _case(n=5, seed=3):
    rng = np.random.default_rng(seed)
    table = rng.normal(-8, 4, 2**n)
    prior = qh.BernoulliPrior(n, rng.uniform(0.1, 0.9, n))
    weights = [
        math.exp(value) * p
        for value, p in zip(table, prior_probabilities(prior.p_plus), strict=True)
    ]
    return table, prior, np.array(weights) / sum(weights), math.log(sum(weights)), rng


def test_equals_brute_force_under_a_prior_that_is_not_uniform():
    table, prior, expected, log_evidence, _ = _case()
    posterior = qh.exact_posterior(table, prior)
    np.testing.assert_allclose(posterior.probabilities, expected, rtol=TOLERANCE)
    np.testing.assert_allclose(posterior.log_probabilities, np.log(expected), rtol=TOLERANCE)
    assert abs(posterior.log_evidence - log_evidence) < TOLERANCE
    uniform = qh.exact_posterior(table)
    assert abs(uniform.probabilities - expected).max() > 0.01
    expected = np.exp(table) / np.exp(table).sum()
    np.testing.assert_allclose(uniform.probabilities, expected, rtol=TOLERANCE)
    assert abs(uniform.log_evidence - math.log(np.exp(table).mean())) < TOLERANCE


def test_of_a_network_equals_brute_force():
    net = qh.BinaryNetwork((2, 2, 1), "tanh")
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(6, 2)), np.array([0, 1, 1, 0, 1, 1])
    prior = qh.BernoulliPrior(net.n_weights, np.linspace(0.2, 0.7, net.n_weights))
    likelihoods = np.exp([log_likelihood(net, row, X, y) for row in all_bits(net.n_weights)])
    joint = likelihoods * prior_probabilities(prior.p_plus)
    posterior = qh.exact_posterior(qh.Problem(net, X, y).table, prior)
    np.testing.assert_allclose(posterior.probabilities, joint / joint.sum(), rtol=1e-11)
    assert abs(posterior.log_evidence - math.log(joint.sum())) < TOLERANCE


def test_likelihoods_far_below_the_smallest_number_are_no_problem():
    table = np.array([-5000.0, -5001.5, -7000.0, -5000.5])
    posterior = qh.exact_posterior(table)
    near = qh.exact_posterior(table + 5000)
    np.testing.assert_allclose(posterior.probabilities, near.probabilities, rtol=1e-10)
    np.testing.assert_allclose(posterior.log_evidence, near.log_evidence - 5000, rtol=1e-14)


def test_distances_from_the_posterior():
    table, prior, expected, _, rng = _case()
    posterior = qh.exact_posterior(table, prior)
    q = rng.dirichlet(np.full(32, 0.4), size=(2, 3))
    q[0, 0, 5:] = 0
    q[0, 0] /= q[0, 0].sum()
    found = posterior.kl_from(q)
    assert found.shape == (2, 3)
    np.testing.assert_allclose(found.ravel(), [kl(row, expected) for row in q.reshape(6, 32)])
    variation = [abs(row - expected).sum() / 2 for row in q.reshape(6, 32)]
    np.testing.assert_allclose(posterior.total_variation(q).ravel(), variation, rtol=TOLERANCE)
    assert posterior.kl_from(q[0, 0]).shape == ()
    assert abs(float(posterior.kl_from(expected))) < TOLERANCE
    assert float(posterior.total_variation(expected)) < TOLERANCE


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ([-3.0, -1.0, -2.0, -1.0], 1),
        ([-3.0, -1.0 - 0.9e-9, -1.0, -2.0], 1),
        ([-3.0, -1.0 - 1.1e-9, -1.0, -2.0], 2),
        ([-1.0, -1.0, -1.0, -1.0 + 0.5e-9], 0),
        ([-4.0, -3.0, -2.0, -1.0], 3),
    ],
)
def test_the_best_network_is_the_first_of_ties(table, expected):
    assert qh.best_network(table) == expected


POSTERIOR = qh.exact_posterior([0.0, -1.0, -2.0, -3.0])
BAD_ARGUMENTS = {
    "table": [
        lambda: qh.exact_posterior([0.0, 1.0, 2.0]),
        lambda: qh.exact_posterior([[0.0, 1.0]]),
        lambda: qh.exact_posterior([0.0]),
        lambda: qh.exact_posterior([0.0, np.nan]),
        lambda: qh.exact_posterior([0.0, -np.inf]),
        lambda: qh.best_network([0.0, np.nan]),
        lambda: qh.best_network([]),
    ],
    "prior": [lambda: qh.exact_posterior([0.0, 1.0], qh.BernoulliPrior(2))],
    "q": [
        lambda: POSTERIOR.kl_from([0.5, 0.5]),
        lambda: POSTERIOR.kl_from([1.2, -0.2, 0.0, 0.0]),
        lambda: POSTERIOR.kl_from([0.5, 0.5, 0.5, 0.5]),
        lambda: POSTERIOR.total_variation([0.5, np.nan, 0.5, 0.0]),
    ],
}


@pytest.mark.parametrize(
    ("argument", "call"), [(name, call) for name, calls in BAD_ARGUMENTS.items() for call in calls]
)
def test_a_bad_argument_is_named(argument, call):
    with pytest.raises((ValueError, TypeError), match=rf"^{argument}: expected .*, got "):
        call()
