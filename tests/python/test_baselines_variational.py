"""Variational baselines: distributions against loops, gradients against finite differences."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from oracles import all_bits, evaluate, kl, prior_probabilities
from scipy.special import expit, logit

import qhypernet as qh
from qhypernet.baselines import Autoregressive, MeanField, Mixture
from qhypernet.baselines._base import Task
from qhypernet.baselines._product import expectation
from qhypernet.baselines._target import Target
from qhypernet.baselines._variational import Variational
from qhypernet.gradients import Exact

# Sums over 2**n terms of about 10 nats.
TOLERANCE = 1e-11
# Central differences at this step: rounding 1e-15 * 100 / step, curvature step**2 * 10.
STEP = 1e-5
DIFFERENCE_TOLERANCE = 1e-8
# What Adam leaves where the optimum is known, nats; it moves by about its learning rate.
OPTIMUM_TOLERANCE = 1e-5

FAMILIES = [
    MeanField(spread=1.5),
    Mixture(components=3, spread=1.5),
    Autoregressive(spread=1.5),
    Autoregressive(hidden=2, spread=1.5),
]
CASES = [dataclasses.replace(f, symmetric=s) for f in FAMILIES for s in (False, True)]
NET = qh.BinaryNetwork((1, 2, 1), "tanh")  # 7 weights
DEEP = qh.BinaryNetwork((1, 2, 2, 1), "sign", bias=False)  # 8 weights, inputs that tie
PRIOR = qh.BernoulliPrior(7, [0.2, 0.6, 0.35, 0.7, 0.45, 0.8, 0.3])


def _problem(net=NET, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(9, net.layers[0]))
    X[0] = 0.0
    return qh.Problem(net, X, np.arange(9) % 2)


def _of_table(table, prior=None):
    """A problem whose table is given."""
    n = len(table).bit_length() - 1
    net = qh.BinaryNetwork((n, 1), bias=False)
    problem = qh.Problem(net, np.ones((2, n)), [0, 1])
    problem.__dict__["table"] = np.asarray(table, dtype=float)
    return problem, prior or qh.BernoulliPrior(n)


def _params(family, m, rows=2, seed=1):
    rngs = [np.random.default_rng([seed, row]) for row in range(rows)]
    return np.stack([family._start(rng, m) + 0.3 * rng.normal() for rng in rngs])


def _bernoulli(log_odds, bit):
    return 1 / (1 + math.exp(-log_odds if bit == 0 else log_odds))


def _naive(family, params, bits):
    """q of one setting, from the formulas of the docstrings."""
    m, params = len(bits), list(params)
    if isinstance(family, MeanField):
        return math.prod(_bernoulli(p, b) for p, b in zip(params, bits, strict=True))
    if isinstance(family, Mixture):
        k = family.components
        total = sum(math.exp(v) for v in params[:k])
        parts = (params[k + i * m : k + (i + 1) * m] for i in range(k))
        return sum(
            math.exp(v) / total * math.prod(_bernoulli(p, b) for p, b in zip(q, bits, strict=True))
            for v, q in zip(params[:k], parts, strict=True)
        )
    q, signs = 1.0, [1 - 2 * int(b) for b in bits]
    for i in range(m):
        h = family.hidden or 1
        a = [[params.pop(0) for _ in range(h)] for _ in range(i)]
        c = [params.pop(0) for _ in range(h)]
        sums = [c[u] + sum(signs[j] * a[j][u] for j in range(i)) for u in range(h)]
        log_odds = sums[0]
        if family.hidden:
            v = [params.pop(0) for _ in range(h)]
            log_odds = sum(v[u] * math.tanh(sums[u]) for u in range(h)) + params.pop(0)
        q *= _bernoulli(log_odds, bits[i])
    assert not params
    return q


def _lifted(target, q0, problem):
    """The average of q0 over the group, setting by setting: unit by unit, deepest first."""
    net = problem.net
    total = np.zeros(2**net.n_weights)
    layout = net.layout
    units = [
        (layer, unit) for layer in range(len(layout) - 1) for unit in range(net.layers[layer + 1])
    ]
    for index, value in enumerate(q0):
        w = np.ones(net.n_weights)
        w[target.free] = 1 - 2 * ((index >> np.arange(target.m)) & 1)
        for turned in itertools.product([False, True], repeat=len(units)):
            moved = w.copy()
            for (layer, unit), turn in zip(units, turned, strict=True):
                if turn:
                    (matrix, bias), (out, _) = layout[layer], layout[layer + 1]
                    moved[matrix[:, unit]] *= -1
                    moved[out[unit]] *= -1
                    if bias is not None:
                        moved[bias[unit]] *= -1
            total[int((moved < 0) @ (1 << np.arange(net.n_weights)))] += value / 2 ** len(units)
    return total


def test_expectations_and_their_slopes_equal_sums_over_all_outcomes():
    rng = np.random.default_rng(0)
    table, p = rng.normal(-5, 4, 2**4), rng.uniform(0.05, 0.95, (3, 4))
    bits = all_bits(4)
    tables = np.stack([table, table[::-1], rng.normal(size=16)])
    for given in (table, tables):
        values, slopes = expectation(given, p)
        for row in range(3):
            f = given if given.ndim == 1 else given[row]
            q = prior_probabilities(p[row])
            assert abs(values[row] - q @ f) < TOLERANCE
            for i in range(4):
                up = f @ np.where(bits[:, i] == 0, q / p[row, i], 0)
                down = f @ np.where(bits[:, i] == 1, q / (1 - p[row, i]), 0)
                assert abs(slopes[row, i] - (up - down)) < TOLERANCE


@pytest.mark.parametrize("net", [NET, DEEP], ids=repr)
@pytest.mark.parametrize("family", CASES, ids=repr)
def test_distributions_equal_loops(family, net):
    problem, prior = _problem(net), qh.BernoulliPrior(net.n_weights)
    target = family._target(problem, prior)
    params = _params(family, target.m)
    q0 = np.array([[_naive(family, row, bits) for bits in all_bits(target.m)] for row in params])
    log_q = family._table(params, target.m)[0]
    np.testing.assert_allclose(np.exp(log_q), q0, rtol=TOLERANCE)
    bits = np.broadcast_to(all_bits(target.m), (2, 2**target.m, target.m))
    np.testing.assert_allclose(family._log_prob(params, bits)[0], log_q, rtol=TOLERANCE)
    if family.symmetric:
        assert target.m == net.n_weights - sum(net.layers[1:-1])
        q = np.stack([_lifted(target, row, problem) for row in q0])
        np.testing.assert_allclose(target.lift(q0), q, rtol=TOLERANCE)


@pytest.mark.parametrize("net", [NET, DEEP], ids=repr)
@pytest.mark.parametrize("family", CASES, ids=repr)
def test_the_exact_objective_is_that_of_the_distribution_over_all_networks(family, net):
    problem = _problem(net)
    prior = qh.BernoulliPrior(net.n_weights, np.linspace(0.2, 0.7, net.n_weights))
    target, beta = family._target(problem, prior), 1.7
    params = _params(family, target.m)
    found = family._exact(params, target, beta)
    p = prior_probabilities(prior.p_plus)
    for row, q in enumerate(target.lift(np.exp(family._table(params, target.m)[0]))):
        assert abs(found.expected_nll[row] + q @ problem.table) < TOLERANCE
        assert abs(found.regularizer[row] - beta * kl(q, p)) < TOLERANCE


@pytest.mark.parametrize("family", CASES, ids=repr)
def test_the_exact_gradient_equals_finite_differences(family):
    problem = _problem()
    target, beta = family._target(problem, PRIOR), 2.3
    params = _params(family, target.m)

    def objective(at):
        step = family._exact(at, target, beta)
        return step.expected_nll + step.regularizer

    gradient = family._exact(params, target, beta).gradient
    for i in range(params.shape[1]):
        shift = np.zeros(params.shape[1])
        shift[i] = STEP
        difference = (objective(params + shift) - objective(params - shift)) / (2 * STEP)
        np.testing.assert_allclose(gradient[:, i], difference, rtol=0, atol=DIFFERENCE_TOLERANCE)


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
def test_scores_equal_finite_differences_and_agree_with_the_table(family):
    params, m = _params(family, 4), 4
    rng = np.random.default_rng(5)
    bits = rng.integers(2, size=(2, 6, m), dtype=np.uint8)
    c = rng.normal(size=(2, 6))  # whose sum is not 0, as that of a score function's is
    gradient = family._log_prob(params, bits)[1](c)
    for i in range(params.shape[1]):
        shift = np.zeros(params.shape[1])
        shift[i] = STEP
        up, down = (family._log_prob(params + s * shift, bits)[0] for s in (1, -1))
        difference = (c * (up - down)).sum(axis=1) / (2 * STEP)
        np.testing.assert_allclose(gradient[:, i], difference, rtol=0, atol=DIFFERENCE_TOLERANCE)
    f = rng.normal(size=(2, 2**m))
    log_q, pullback = family._table(params, m)
    every = np.broadcast_to(all_bits(m), (2, 2**m, m))
    by_score = family._log_prob(params, every)[1](np.exp(log_q) * f)
    np.testing.assert_allclose(pullback(f), by_score, rtol=0, atol=TOLERANCE)


def test_mean_field_in_closed_form_equals_its_own_table():
    problem = _problem()
    family = MeanField(symmetric=True)
    target = family._target(problem, PRIOR)
    params = _params(family, target.m)
    for a, b in zip(
        family._exact(params, target, 1.3),
        Variational._exact(family, params, target, 1.3),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("family", CASES, ids=repr)
@pytest.mark.parametrize("shots", [3, 4])
def test_the_sampled_gradient_is_unbiased_at_few_shots(monkeypatch, family, shots):
    """Its mean over every possible set of draws, each with its probability."""
    net = qh.BinaryNetwork((1, 1, 1), "tanh", bias=False)
    problem, prior = _problem(net), qh.BernoulliPrior(2, [0.3, 0.6])
    family = dataclasses.replace(family, shots=shots)
    target, beta = family._target(problem, prior), 1.4
    params = _params(family, target.m, rows=1)
    q = np.exp(family._table(params, target.m)[0][0])
    task = Task(problem, prior, 0, range(1))
    mean, expected_nll, regularizer = np.zeros_like(params), 0.0, 0.0
    for outcome in itertools.product(range(2**target.m), repeat=shots):
        bits = all_bits(target.m)[list(outcome)][None]
        monkeypatch.setattr(type(family), "_draw", lambda *args, bits=bits: bits)
        streams = [np.random.default_rng(0)]
        step = family._sampled(params, target, beta, task, streams)
        weight = math.prod(q[i] for i in outcome)
        mean += weight * step.gradient
        expected_nll += weight * step.expected_nll[0]
        regularizer += weight * step.regularizer[0]
    exact = family._exact(params, target, beta)
    np.testing.assert_allclose(mean, exact.gradient, rtol=0, atol=TOLERANCE)
    assert abs(exact.gradient).max() > 0.01
    assert abs(expected_nll - exact.expected_nll[0]) < TOLERANCE
    assert abs(regularizer - exact.regularizer[0]) < TOLERANCE


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
@pytest.mark.parametrize("beta", [1.0, 2.5])
def test_one_weight_has_its_posterior_in_closed_form(family, beta):
    problem, prior = _of_table([-1.2, -0.5], qh.BernoulliPrior(1, 0.3))
    family = dataclasses.replace(family, beta=beta, n_steps=1000)
    r = family.fit(problem, n_inits=2, prior=prior)
    expected = expit((-1.2 + 0.5) / beta + logit(0.3))
    np.testing.assert_allclose(r.probabilities()[:, 0], expected, rtol=0, atol=OPTIMUM_TOLERANCE)
    if beta == 1:
        log_evidence = math.log(0.3 * math.exp(-1.2) + 0.7 * math.exp(-0.5))
        objective = r.history["objective"][:, -1]
        np.testing.assert_allclose(objective, -log_evidence, rtol=0, atol=OPTIMUM_TOLERANCE)


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
def test_a_posterior_that_is_a_product_is_found(family):
    table = all_bits(4) @ np.array([1.2, -0.8, 0.3, -1.5])
    problem, prior = _of_table(table, qh.BernoulliPrior(4, [0.3, 0.5, 0.6, 0.7]))
    r = dataclasses.replace(family, beta=1.0, n_steps=1500).fit(problem, n_inits=2, prior=prior)
    posterior = qh.exact_posterior(table, prior)
    assert (posterior.kl_from(r.probabilities()) < OPTIMUM_TOLERANCE).all()


def test_richer_families_come_closer_and_a_mixture_of_all_corners_is_exact():
    """On parity, which neither a product nor logistic conditionals can express."""
    table = 2.0 * (all_bits(3).sum(axis=1) % 2)
    problem, _ = _of_table(table)
    posterior = qh.exact_posterior(table)

    def gap(family):
        family = dataclasses.replace(family, n_steps=800)
        return posterior.kl_from(family.fit(problem, n_inits=3).probabilities()).min()

    one, two, four = (gap(Mixture(components=k, spread=2.0, beta=1.0)) for k in (1, 2, 4))
    assert one > two + 0.01
    assert two > four + 0.01
    assert four < OPTIMUM_TOLERANCE  # a component for each setting of two bits
    assert abs(one - gap(MeanField())) < OPTIMUM_TOLERANCE
    assert gap(Autoregressive()) > 0.1
    assert gap(Autoregressive(hidden=4)) < 1e-3


def test_symmetry_gains_as_many_nats_as_there_are_symmetric_networks():
    """Where one orbit of networks has all of the posterior, a point mass misses log |orbit|."""
    problem = _problem(qh.BinaryNetwork((2, 2, 1), "tanh"))
    problem.__dict__["table"] = 20 * problem.table
    posterior = qh.exact_posterior(problem.table)
    best = np.sort(posterior.probabilities)[:-5:-1]
    np.testing.assert_allclose(best, 0.25, rtol=2e-3)
    plain, symmetric = (
        posterior.kl_from(family.fit(problem, n_inits=12).probabilities()).min()
        for family in (
            MeanField(symmetric=s, optimizer=qh.Adam(1.0), n_steps=800) for s in (False, True)
        )
    )
    # Weights that are nearly certain have gradients that are nearly 0.
    assert abs(plain - math.log(4)) < 0.01
    assert abs(plain - symmetric - 2 * math.log(2)) < 0.01


def test_mean_field_is_a_circuit_of_one_layer():
    """The same objective as the core finds for brickwork, whose RY make P(+1) = cos(t/2)**2."""
    problem = _problem()
    angles = np.random.default_rng(3).uniform(0.3, 2.8, (2, 7))
    params = np.concatenate([angles, np.ones((2, 7))], axis=1)
    circuit = qh.ansatz.brickwork(7, 1)
    expected = evaluate(Exact(), circuit, problem.table, PRIOR, qh.ELBO(1.6), params)
    p = np.cos(angles / 2) ** 2
    target = Target(problem, PRIOR, symmetric=False)
    found = MeanField()._exact(logit(p), target, 1.6)
    np.testing.assert_allclose(found.expected_nll, expected.expected_nll, rtol=TOLERANCE)
    np.testing.assert_allclose(found.regularizer, expected.regularizer, rtol=TOLERANCE)
    slope = -np.sin(angles) / 2 / (p * (1 - p))  # d logit(p) / d angle
    np.testing.assert_allclose(
        found.gradient * slope, expected.gradient[:, :7], rtol=0, atol=TOLERANCE
    )


def test_shots_reach_what_exact_expectations_reach():
    table = all_bits(4) @ np.array([1.2, -0.8, 0.3, -1.5])
    problem, prior = _of_table(table)
    family = MeanField(shots=200, n_steps=600, optimizer=qh.Adam(qh.Schedule(0.3, 0.003)))
    q = family.fit(problem, n_inits=3).probabilities()
    assert (qh.exact_posterior(table, prior).kl_from(q) < 1e-3).all()


def test_schedules_are_followed_and_told():
    problem, prior = _of_table(np.arange(8.0))
    family = MeanField(beta=qh.Schedule(4, 1), optimizer=qh.Adam(qh.Schedule(0.2, 0.1)), n_steps=3)
    history = family.fit(problem, n_inits=1).history
    np.testing.assert_allclose(history["weight"], [4, 2, 1])
    np.testing.assert_allclose(history["learning_rate"], [0.2, 0.2 / math.sqrt(2), 0.1])
    start = np.stack(
        [family._start(s, 3) for s in Task(problem, prior, 0, range(1)).streams("MeanField start")]
    )
    first = family._exact(start, family._target(problem, prior), 4.0)
    np.testing.assert_allclose(history["regularizer"][:, 0], first.regularizer)
    np.testing.assert_allclose(
        history["gradient_norm"][:, 0], np.linalg.norm(first.gradient, axis=1)
    )


def test_the_symmetry_needs_an_odd_activation():
    problem = _problem(qh.BinaryNetwork((1, 1, 1), "relu"))
    for family in FAMILIES:
        with pytest.raises(ValueError, match=r"^net: expected an odd activation"):
            dataclasses.replace(family, symmetric=True).fit(problem, n_inits=1)
