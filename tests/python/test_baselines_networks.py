"""Baselines that differentiate the network: gradients, relaxation, the straight-through rule."""

import math

import numpy as np
import pytest
from oracles import log_likelihood as naive_log_likelihood

import qhypernet as qh
from qhypernet.baselines import BayesBiNN, MeanField, StraightThrough
from qhypernet.baselines._backprop import log_likelihood
from qhypernet.baselines.bayesbinn import relaxed_gradient

TOLERANCE = 1e-11
# Central differences at this step: rounding 1e-15 * 100 / step, curvature step**2 * 100.
STEP = 1e-5
DIFFERENCE_TOLERANCE = 1e-7

ACTIVATIONS = ("sign", "tanh", "relu", "sigmoid", "identity")
SHAPES = [((2, 1), None), ((2, 3, 1), None), ((2, 2, 2, 3), None), ((2, 3, 2), "gaussian")]


def _case(layers, likelihood, activation, bias=True, seed=0):
    rng = np.random.default_rng([*layers, seed])
    net = qh.BinaryNetwork(
        layers, activation, bias, logit_scale=0.7, likelihood=likelihood, noise=1.3
    )
    X = rng.normal(0.3, 1.2, (8, layers[0]))
    y = rng.normal(size=(8, layers[-1])) if likelihood else np.arange(8) % net.n_classes
    return net, X, net.check_targets(y, 8), rng


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("layers", "likelihood"), SHAPES, ids=str)
def test_at_binary_weights_it_is_the_network(layers, likelihood, bias, activation):
    net, X, y, rng = _case(layers, likelihood, activation, bias)
    bits = rng.integers(2, size=(5, net.n_weights), dtype=np.uint8)
    expected = [naive_log_likelihood(net, row, X, y) for row in bits]
    np.testing.assert_allclose(log_likelihood(net, 1.0 - 2.0 * bits, X, y)[0], expected, rtol=1e-12)


def test_one_target_a_point_is_a_column():
    net, X, y, rng = _case((2, 3, 1), "gaussian", "tanh")
    weights = rng.normal(size=(2, net.n_weights))
    for a, b in zip(
        log_likelihood(net, weights, X, y),
        log_likelihood(net, weights, X, net.check_targets(y[:, 0], 8)),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("activation", ACTIVATIONS[1:])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("layers", "likelihood"), SHAPES, ids=str)
def test_gradients_equal_finite_differences(layers, likelihood, bias, activation):
    net, X, y, rng = _case(layers, likelihood, activation, bias)
    weights = rng.normal(size=(3, net.n_weights))
    gradient = log_likelihood(net, weights, X, y)[1]
    for i in range(net.n_weights):
        shift = np.zeros(net.n_weights)
        shift[i] = STEP
        up, down = (log_likelihood(net, weights + s * shift, X, y)[0] for s in (1, -1))
        difference = (up - down) / (2 * STEP)
        np.testing.assert_allclose(gradient[:, i], difference, rtol=0, atol=DIFFERENCE_TOLERANCE)


def test_the_gradient_through_sign_is_straight_through():
    """Weight by weight for 1-2-1: signs forward, the identity inside [-1, 1] backward."""
    net, X, y, rng = _case((1, 2, 1), None, "sign")
    for w in rng.normal(size=(20, net.n_weights)):
        (a1, a2, b1, b2, v1, v2, c), expected = w, np.zeros(7)
        for x, target in zip(X[:, 0], y, strict=True):
            sums = [a1 * x + b1, a2 * x + b2]
            h1, h2 = (1 if s >= 0 else -1 for s in sums)
            logit = 0.7 * (v1 * h1 + v2 * h2 + c)
            slope = 0.7 * (target - 1 / (1 + math.exp(-logit)))
            g1, g2 = (slope * v * (abs(s) <= 1) for v, s in zip((v1, v2), sums, strict=True))
            expected += [g1 * x, g2 * x, g1, g2, slope * h1, slope * h2, slope]
        found = log_likelihood(net, w[None], X, y)[1][0]
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("temperature", [0.6, 1.7])
def test_the_relaxed_gradient_equals_finite_differences_in_the_mean(temperature):
    net, X, y, rng = _case((2, 2, 1), None, "tanh")
    problem = qh.Problem(net, X, y)
    mean = rng.uniform(-0.8, 0.8, (2, net.n_weights))
    u = rng.uniform(0.02, 0.98, (2, 3, net.n_weights))

    def cost(mean):
        total = np.zeros(len(mean))
        for draw in range(3):
            noise = np.log(u[:, draw] / (1 - u[:, draw])) / 2
            w = np.tanh((np.arctanh(mean) + noise) / temperature)
            total -= log_likelihood(net, w, X, y)[0] / 3
        return total

    value, gradient = relaxed_gradient(problem, np.arctanh(mean), u, temperature)
    np.testing.assert_allclose(value, cost(mean), rtol=TOLERANCE)
    for i in range(net.n_weights):
        shift = np.zeros(net.n_weights)
        shift[i] = STEP
        difference = (cost(mean + shift) - cost(mean - shift)) / (2 * STEP)
        np.testing.assert_allclose(gradient[:, i], difference, rtol=0, atol=DIFFERENCE_TOLERANCE)


def test_the_relaxed_gradient_is_finite_at_the_ends():
    net, X, y, _ = _case((2, 1), None, "sign")
    problem = qh.Problem(net, X, y)
    u = np.array([[[0.0, 1 - 2**-53, 0.5]]])
    for natural in (np.zeros((1, 3)), np.full((1, 3), 400.0), np.full((1, 3), -400.0)):
        for temperature in (1e-3, 1.0):
            value, gradient = relaxed_gradient(problem, natural, u, temperature)
            assert np.isfinite(value).all()
            assert np.isfinite(gradient).all()


def test_without_data_the_learning_rule_goes_to_the_prior_geometrically():
    """Where the likelihood is flat, l - l_0 shrinks by 1 - rate * beta a step."""
    net = qh.BinaryNetwork((2, 1), likelihood="gaussian", noise=1e9)
    problem = qh.Problem(net, np.ones((2, 2)), [0.0, 1.0])
    prior = qh.BernoulliPrior(3, [0.2, 0.5, 0.9])
    odds = np.log(prior.p_plus / (1 - prior.p_plus))

    def logits(n_steps):
        rule = BayesBiNN(n_steps=n_steps, learning_rate=0.2, beta=1.5)
        return rule.fit(problem, n_inits=2, prior=prior).arrays["params"] - odds

    np.testing.assert_allclose(logits(4), logits(1) * (1 - 0.2 * 1.5) ** 3, rtol=0, atol=1e-8)
    assert abs(logits(1)).min() > 0.01


def test_the_learning_rule_step_by_step():
    """Against the equations of the docstring, natural parameters and momentum, from its draws."""
    net, X, y, _ = _case((2, 1), None, "tanh")
    problem, prior = qh.Problem(net, X, y), qh.BernoulliPrior(3, [0.3, 0.6, 0.5])
    rule = BayesBiNN(n_steps=5, learning_rate=0.05, beta=0.7, momentum=0.8, temperature=1.3)
    task = qh.baselines._base.Task(problem, prior, 9, range(1))
    natural = rule.spread * (2 * task.streams("BayesBiNN start")[0].random(3) - 1)
    stream, running = task.streams("BayesBiNN noise")[0], np.zeros(3)
    start = np.log(prior.p_plus / (1 - prior.p_plus)) / 2
    for step in range(5):
        u, gradient = stream.random((rule.draws, 3)), np.zeros(3)
        for row in u:
            w = np.tanh((natural + np.log(row / (1 - row)) / 2) / 1.3)
            s = (1 - w**2) / (1.3 * (1 - np.tanh(natural) ** 2))
            gradient -= s * log_likelihood(net, w[None], X, problem.y)[1][0] / rule.draws
        running = 0.8 * running + 0.2 * gradient
        natural = natural - 0.05 * (running / (1 - 0.8 ** (step + 1)) + 0.7 * (natural - start))
    found = rule.fit(problem, n_inits=1, seed=9, prior=prior)
    np.testing.assert_allclose(found.arrays["params"][0], 2 * natural, rtol=1e-7)
    np.testing.assert_allclose(found.history["learning_rate"], 0.05)
    np.testing.assert_allclose(found.history["weight"], 0.7)


def test_the_learning_rule_comes_near_mean_field():
    data = qh.datasets.moons(100)
    problem = qh.Problem(qh.BinaryNetwork((2, 2, 1), "tanh"), data.X_train, data.y_train)
    posterior = qh.exact_posterior(problem.table)
    relaxed, exact = (
        np.median(posterior.kl_from(method.fit(problem, n_inits=6).probabilities()))
        for method in (BayesBiNN(), MeanField())
    )
    assert exact - 0.1 < relaxed < exact + 1  # it is biased, and not by more


def test_straight_through_step_by_step():
    net, X, y, _ = _case((2, 2, 1), None, "tanh")
    problem = qh.Problem(net, X, y)
    task = qh.baselines._base.Task(problem, qh.BernoulliPrior(net.n_weights), 3, range(1))
    latent = 2 * task.streams("StraightThrough")[0].random(net.n_weights) - 1
    mean = square = np.zeros_like(latent)
    costs, seen = [], []
    for step in range(41):
        w = np.where(latent >= 0, 1.0, -1.0)
        value, slope = (part[0] for part in log_likelihood(net, w[None], X, problem.y))
        costs.append(-value)
        seen.append((w < 0).astype(int))
        mean, square = 0.9 * mean - 0.1 * slope, 0.999 * square + 0.001 * slope**2
        size = np.sqrt(square / (1 - 0.999 ** (step + 1))) + 1e-8
        latent = np.clip(latent - 0.3 * mean / (1 - 0.9 ** (step + 1)) / size, -1, 1)
    best = int(np.argmin(costs))
    assert 0 < best < 40
    assert not np.array_equal(seen[best], seen[-1])
    # The best of all may be the last, where no further step looks at it.
    for n_steps, keep_best, kept in ((40, True, best), (best, True, best), (40, False, 40)):
        rule = StraightThrough(n_steps=n_steps, optimizer=qh.Adam(0.3), keep_best=keep_best)
        r = rule.fit(problem, n_inits=1, seed=3)
        np.testing.assert_allclose(r.history["objective"][0], costs[:n_steps], rtol=TOLERANCE)
        np.testing.assert_array_equal(r.samples().bits[0, 0], seen[kept])


@pytest.mark.parametrize("activation", ["tanh", "sign", "relu"])
def test_straight_through_finds_a_good_network(activation):
    data = qh.datasets.moons(100)
    problem = qh.Problem(qh.BinaryNetwork((2, 2, 1), activation), data.X_train, data.y_train)
    q = StraightThrough().fit(problem, n_inits=6).probabilities()
    found = problem.table[q.argmax(axis=1)]
    assert found.max() >= np.quantile(problem.table, 0.98)


def test_regression_and_classes_are_fitted():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    regression = qh.BinaryNetwork((2, 2, 1), "tanh", likelihood="gaussian", noise=0.5)
    classes = qh.BinaryNetwork((2, 3), "tanh")
    for net, y in (
        (regression, np.tanh(X[:, 0] - X[:, 1] + 1) + np.tanh(X[:, 0] + X[:, 1]) - 1),
        (classes, np.argmax([X[:, 0], X[:, 1], -X[:, 0] - X[:, 1]], axis=0)),
    ):
        problem = qh.Problem(net, X, y)
        best = problem.table[StraightThrough().fit(problem, n_inits=6).probabilities().argmax(1)]
        np.testing.assert_allclose(best.max(), problem.table.max(), rtol=1e-9)
        relaxed = BayesBiNN().fit(problem, n_inits=6).probabilities()
        assert (relaxed @ problem.table).max() > np.quantile(problem.table, 0.98)
