"""Annealing and Markov chains: against transition matrices; diagnostics against loops."""

import math

import numpy as np
import pytest
from oracles import all_bits, log_likelihood, prior_probabilities

import qhypernet as qh
from qhypernet.baselines import MarkovChain, SimulatedAnnealing
from qhypernet.baselines._diagnostics import effective_sample_size, r_hat

TOLERANCE = 1e-12
# Frequencies of independent chains; with 16 or 128 outcomes a case, 5 standard errors are missed by
# chance once in 10**4 runs, and this seed is fixed.
SIGMAS = 5
CHAINS = 8000
NET = qh.BinaryNetwork((1, 1, 1), "tanh")  # 4 weights
PRIOR = qh.BernoulliPrior(4, [0.3, 0.6, 0.55, 0.8])
# Every point twice: modes that chains change between slowly.
X = np.tile([[0.4], [-1.1], [2.0], [-0.3]], (2, 1))
Y = np.tile([1, 0, 1, 1], 2)


def _problem():
    return qh.Problem(NET, X, Y)


def _log_joint():
    likelihoods = [log_likelihood(NET, row, X, Y) for row in all_bits(4)]
    return np.array(likelihoods) + np.log(prior_probabilities(PRIOR.p_plus))


def _offer(log_p, mask, probability, rule):
    """The transition matrix of the offer of a flip of the bits in ``mask``."""
    matrix = np.zeros((16, 16))
    for z in range(16):
        ratio = math.exp(log_p[z ^ mask] - log_p[z])
        taken = min(1.0, ratio) if rule == "metropolis" else ratio / (1 + ratio)
        matrix[z, z ^ mask] += probability * taken
        matrix[z, z] += 1 - probability * taken
    return matrix


def _sweep(log_p, rule, temperature=1.0):
    matrix = np.eye(16)
    for i in range(4):
        matrix = matrix @ _offer(log_p / temperature, 1 << i, 1.0, rule)
    return matrix


def _after_one_sweep(log_p, rule, symmetric, burn_in):
    """Where chains are after a burn-in of 0 or 1 sweeps at temperature 20, and a sweep at 1."""
    # The hidden unit's weights: in, bias and out, in the flat order (in, bias, out, bias).
    units = _offer(log_p, 0b0111, 0.5, "metropolis") if symmetric else np.eye(16)
    warm = _sweep(log_p, rule, 20.0) @ units if burn_in else np.eye(16)
    return prior_probabilities(PRIOR.p_plus) @ warm @ _sweep(log_p, rule) @ units


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("burn_in", [0, 1])
def test_chains_move_as_their_transition_matrix_says(rule, symmetric, burn_in):
    log_p = _log_joint()
    chain = MarkovChain(
        n_sweeps=1, burn_in=burn_in, start_temperature=20.0, rule=rule, symmetric=symmetric
    )
    r = chain.fit(_problem(), n_inits=CHAINS, seed=1, prior=PRIOR)
    index = (r.arrays["bits"][:, 0].astype(int) << np.arange(4)).sum(axis=-1)
    expected = _after_one_sweep(log_p, rule, symmetric, burn_in)
    # The second part is for outcomes so rare that one is already many standard errors.
    bound = SIGMAS * np.sqrt(expected * (1 - expected) / CHAINS) + SIGMAS / CHAINS
    assert (abs(np.bincount(index, minlength=16) / CHAINS - expected) <= bound).all()
    np.testing.assert_allclose(r.history["log_joint"][:, -1], log_p[index], rtol=TOLERANCE)
    # The bound is fine enough to see a step that is left out.
    for other in ((not symmetric, burn_in), (symmetric, not burn_in)):
        assert (abs(_after_one_sweep(log_p, rule, *other) - expected) > bound).any()
    posterior = qh.exact_posterior(_problem().table, PRIOR).probabilities
    assert (abs(posterior - expected) > bound).any()


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("symmetric", [False, True])
def test_the_posterior_stays_where_it_is(rule, symmetric):
    """Of the matrices, which the chains are held against."""
    log_p = _log_joint()
    p = qh.exact_posterior(_problem().table, PRIOR).probabilities
    np.testing.assert_allclose(p @ _sweep(log_p, rule), p, rtol=TOLERANCE)
    if symmetric:
        np.testing.assert_allclose(p @ _offer(log_p, 0b0111, 0.5, rule), p, rtol=TOLERANCE)


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
def test_acceptance_is_the_share_of_flips_taken(rule):
    log_p = _log_joint()
    chain = MarkovChain(n_sweeps=1, burn_in=0, rule=rule)
    r = chain.fit(_problem(), n_inits=CHAINS, seed=2, prior=PRIOR)
    at, expected = prior_probabilities(PRIOR.p_plus), 0.0
    for i in range(4):
        matrix = _offer(log_p, 1 << i, 1.0, rule)
        expected += at @ (1 - np.diag(matrix)) / 4
        at = at @ matrix
    found = r.history["acceptance"].values
    assert abs(found.mean() - expected) < SIGMAS * found.std() / math.sqrt(CHAINS)
    assert 0.1 < expected < 0.9


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
def test_a_long_chain_has_the_posterior(rule):
    """Within the error of as many independent draws as its slowest function is worth."""
    n_sweeps = 8000
    r = MarkovChain(n_sweeps=n_sweeps, rule=rule).fit(_problem(), n_inits=2, prior=PRIOR)
    posterior = qh.exact_posterior(_problem().table, PRIOR)
    values = np.linalg.eigvals(_sweep(_log_joint(), rule))
    slowest = np.sort(abs(values))[-2]
    draws = n_sweeps * (1 - slowest) / (1 + slowest)
    p = posterior.probabilities
    bound = SIGMAS * np.sqrt(p * (1 - p) / draws).sum() / 2
    assert bound < 0.2
    assert (posterior.total_variation(r.probabilities()) < bound).all()
    assert r.history["r_hat"] < 1.01
    assert (r.history["ess"] > draws / 2).all()


def test_chains_that_disagree_are_seen():
    data = qh.datasets.moons(100)
    problem = qh.Problem(qh.BinaryNetwork((2, 2, 1), "tanh"), data.X_train, data.y_train)
    r = MarkovChain(n_sweeps=200, burn_in=10, start_temperature=1.0).fit(problem, n_inits=6)
    assert r.history["r_hat"] > 1.1


def test_annealing_finds_the_best_network_and_keeps_it():
    data = qh.datasets.moons(100)
    problem = qh.Problem(qh.BinaryNetwork((2, 2, 1), "tanh"), data.X_train, data.y_train)
    r = SimulatedAnnealing().fit(problem, n_inits=5)
    best = problem.table.max()
    found = problem.table[r.probabilities().argmax(axis=1)]
    np.testing.assert_allclose(found, best, rtol=TOLERANCE)
    # At a temperature that only falls to 30 it walks away again from what it keeps.
    hot = SimulatedAnnealing(temperature=30.0).fit(problem, n_inits=5, seed=1)
    log_prior = -9 * math.log(2)
    kept = problem.table[hot.probabilities().argmax(axis=1)] + log_prior
    np.testing.assert_allclose(hot.history["best"][:, -1], kept, rtol=TOLERANCE)
    assert (kept >= hot.history["log_joint"].max("step")).all()
    assert (kept > hot.history["log_joint"][:, -1] + 1).all()
    assert (np.diff(hot.history["best"]) >= 0).all()


def test_annealing_that_is_cold_ends_where_no_flip_helps():
    problem = _problem()
    r = SimulatedAnnealing(n_sweeps=30, temperature=1e-9).fit(problem, n_inits=20, prior=PRIOR)
    log_p = _log_joint()
    for z in r.probabilities().argmax(axis=1):
        assert all(log_p[z] >= log_p[z ^ (1 << i)] for i in range(4))


def test_the_prior_counts():
    prior = qh.BernoulliPrior(4, [1e-9, 1 - 1e-9, 1e-9, 1 - 1e-9])
    for method in (SimulatedAnnealing(n_sweeps=20), MarkovChain(n_sweeps=20)):
        q = method.fit(_problem(), n_inits=3, prior=prior).probabilities()
        assert (q[:, 0b0101] > 1 - TOLERANCE).all()


def test_a_point_mass_has_a_finite_distance_to_the_posterior():
    problem = _problem()
    posterior = qh.exact_posterior(problem.table)
    q = SimulatedAnnealing().fit(problem, n_inits=2).probabilities()
    expected = -posterior.log_probabilities[q.argmax(axis=1)]
    np.testing.assert_allclose(posterior.kl_from(q), expected, rtol=TOLERANCE)


def test_r_hat_equals_a_loop():
    rng = np.random.default_rng(0)
    chains = rng.normal(size=(3, 11)) + np.arange(3)[:, None]
    halves = [half for chain in chains for half in (chain[:5].tolist(), chain[-5:].tolist())]
    means = [sum(half) / 5 for half in halves]
    within = (
        sum(sum((v - m) ** 2 for v in half) / 4 for half, m in zip(halves, means, strict=True)) / 6
    )
    between = 5 * sum((m - sum(means) / 6) ** 2 for m in means) / 5
    expected = math.sqrt((4 / 5 * within + between / 5) / within)
    assert abs(r_hat(chains) - expected) < TOLERANCE
    assert r_hat(np.zeros((2, 10))) == 1
    assert r_hat(np.repeat([[0.0], [1.0]], 10, axis=1)) == math.inf
    assert math.isnan(r_hat(np.zeros((2, 3))))
    assert math.isnan(r_hat(np.zeros((0, 10))))


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.9, -0.4])
def test_the_effective_sample_size_of_an_autoregression(rho):
    """S (1 - rho) / (1 + rho); the mean of chains is off by their spread over root 40."""
    size = 20_000
    rng = np.random.default_rng(7)
    chains = np.empty((40, size))
    chains[:, 0] = rng.normal(size=40)
    for t in range(1, size):
        noise = math.sqrt(1 - rho**2) * rng.normal(size=40)
        chains[:, t] = rho * chains[:, t - 1] + noise
    found = effective_sample_size(chains)
    expected = size * (1 - rho) / (1 + rho)
    # Geyer's sum stops at the first pair below 0: upward by chance, so the size is a bit low.
    truncation = 0.03 * expected
    assert abs(found.mean() - expected) < truncation + SIGMAS * found.std() / math.sqrt(40)


def _naive_effective_sample_size(chain):
    size = len(chain)
    centred = chain - chain.mean()
    covariance = [sum(centred[k:] * centred[: size - k]) / size for k in range(size)]
    total, least, rises = 0.0, math.inf, False
    for k in range(0, size, 2):
        pair = (covariance[k] + covariance[k + 1]) / covariance[0]
        if pair <= 0:
            break
        rises |= pair > least
        least = min(least, pair)
        total += 2 * least
    return size / (total - 1), rises


def test_the_effective_sample_size_equals_a_loop():
    chains = np.random.default_rng(3).normal(size=(20, 60)).cumsum(axis=1)
    chains[:, 1:] += 0.5 * chains[:, :-1]
    chains += 4 * np.sin(np.arange(60))
    expected, rises = zip(*map(_naive_effective_sample_size, chains), strict=True)
    np.testing.assert_allclose(effective_sample_size(chains), expected, rtol=TOLERANCE * 100)
    assert any(rises)
    assert math.isnan(effective_sample_size(np.ones((1, 30)))[0])
    alternating = np.tile([1.0, -1.0], 50)[None]
    assert effective_sample_size(alternating)[0] == pytest.approx(100 * math.log10(100))
