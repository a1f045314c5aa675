"""Predictions against sums over networks, metrics against scikit-learn and loops."""

import numpy as np
import pytest
from oracles import all_bits, class_probabilities
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss

import qhypernet as qh

# Sums over networks of numbers of at most 1.
TOLERANCE = 1e-12
NETS = [
    qh.BinaryNetwork((2, 2, 1), "tanh", logit_scale=0.8),
    qh.BinaryNetwork((2, 2, 1), "sign"),
    qh.BinaryNetwork((2, 1, 3), "sigmoid"),
]


def _entropy(p):
    return -sum(float(v) * np.log(v) for v in p if v > 0)


def _predict(net, x, q, bits):
    """Averages at one point, network by network: predictive, votes and aleatoric."""
    k = net.n_classes
    mean, votes, aleatoric = np.zeros(k), np.zeros(k), 0.0
    for weight, row in zip(q, bits, strict=True):
        p = class_probabilities(net, row, x)
        mean += weight * p
        votes[p.argmax()] += weight
        aleatoric += weight * _entropy(p)
    return mean, votes, aleatoric


@pytest.mark.parametrize("net", NETS, ids=repr)
def test_equals_a_sum_over_all_networks(net):
    rng = np.random.default_rng(net.n_weights)
    bits = all_bits(net.n_weights)
    X = rng.normal(size=(3, 2))
    q = rng.dirichlet(np.full(len(bits), 0.3), size=2)
    found = qh.predict(net, X, q)
    assert found.probabilities.shape == found.votes.shape == (2, 3, net.n_classes)
    for m in range(2):
        for d in range(3):
            mean, votes, aleatoric = _predict(net, X[d], q[m], bits)
            np.testing.assert_allclose(found.probabilities[m, d], mean, atol=TOLERANCE, rtol=0)
            np.testing.assert_allclose(found.votes[m, d], votes, atol=TOLERANCE, rtol=0)
            assert abs(found.aleatoric[m, d] - aleatoric) < TOLERANCE
            assert abs(found.entropy[m, d] - _entropy(mean)) < TOLERANCE
            assert abs(found.epistemic[m, d] - (_entropy(mean) - aleatoric)) < TOLERANCE
            assert found.epistemic[m, d] > 1e-3
            assert found.classes[m, d] == mean.argmax()
    single = qh.predict(net, X, q[1])
    np.testing.assert_array_equal(single.probabilities, found.probabilities[1])
    assert single.aleatoric.shape == (3,)


def test_equals_a_sum_over_given_networks_of_more_than_64_weights():
    net = qh.BinaryNetwork((4, 11, 2), "tanh", logit_scale=0.3)
    rng = np.random.default_rng(0)
    bits = rng.integers(2, size=(7, net.n_weights), dtype=np.uint8)
    X, q = rng.normal(size=(2, 4)), rng.dirichlet(np.ones(7))
    found = qh.predict(net, X, q, bits=bits)
    for d in range(2):
        mean, votes, aleatoric = _predict(net, X[d], q, bits)
        np.testing.assert_allclose(found.probabilities[d], mean, atol=TOLERANCE, rtol=0)
        np.testing.assert_allclose(found.votes[d], votes, atol=TOLERANCE, rtol=0)
        assert abs(found.aleatoric[d] - aleatoric) < TOLERANCE


def test_many_networks_and_points():
    # More networks than a segment and more points than a tile, in arrays instead of loops.
    net = qh.BinaryNetwork((2, 3, 1), "tanh")
    rng = np.random.default_rng(5)
    X, q = rng.normal(size=(150, 2)), rng.dirichlet(np.full(2**13, 0.1))
    p_one = 1 / (1 + np.exp(-net.logits(all_bits(13), X)[:, :, 0]))
    found = qh.predict(net, X, q)
    np.testing.assert_allclose(found.probabilities[:, 1], q @ p_one, atol=TOLERANCE, rtol=0)
    np.testing.assert_allclose(found.votes[:, 1], q @ (p_one > 0.5), atol=TOLERANCE, rtol=0)
    entropy = -(p_one * np.log(p_one) + (1 - p_one) * np.log1p(-p_one))
    np.testing.assert_allclose(found.aleatoric, q @ entropy, atol=TOLERANCE, rtol=0)


def test_a_sure_distribution_has_no_epistemic_part():
    net = NETS[0]
    q = np.zeros(2**net.n_weights)
    q[77] = 1
    found = qh.predict(net, [[0.3, -0.4]], q)
    np.testing.assert_allclose(found.epistemic, 0, atol=TOLERANCE)
    np.testing.assert_allclose(found.aleatoric, found.entropy, rtol=TOLERANCE)
    assert sorted(found.votes[0]) == [0, 1]


def test_a_network_votes_for_the_class_that_it_predicts():
    # Out-weights +1 and -1 on equal units: a logit of exactly 0, so both classes are as probable.
    net = qh.BinaryNetwork((2, 2, 1), "sign", bias=False)
    q = np.zeros(64)
    q[0b100000] = 1
    found = qh.predict(net, [[0.3, -0.4]], q)
    np.testing.assert_array_equal(found.probabilities, [[0.5, 0.5]])
    np.testing.assert_array_equal(found.votes.argmax(axis=-1), found.classes)


def _random_predictions(n_points, n_classes, seed):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(n_classes, 0.7), size=n_points)
    return p, rng.integers(n_classes, size=n_points)


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_metrics_equal_scikit_learn(n_classes):
    p, y = _random_predictions(200, n_classes, n_classes)
    labels = list(range(n_classes))
    metrics = qh.prediction
    assert float(metrics.accuracy(p, y)) == accuracy_score(y, p.argmax(axis=1))
    assert abs(float(metrics.nll(p, y)) - log_loss(y, p, labels=labels)) < TOLERANCE
    right = np.eye(n_classes)[y]
    naive = np.mean([((a - b) ** 2).sum() for a, b in zip(p, right, strict=True)])
    assert abs(float(metrics.brier(p, y)) - naive) < TOLERANCE
    if n_classes == 2:
        # Theirs counts class 1 alone, ours both classes.
        assert abs(float(metrics.brier(p, y)) / 2 - brier_score_loss(y, p[:, 1])) < TOLERANCE


@pytest.mark.parametrize(("n_classes", "n_bins"), [(2, 10), (2, 7), (4, 15), (3, 1)])
def test_calibration_error_equals_a_loop(n_classes, n_bins):
    p, y = _random_predictions(300, n_classes, n_bins)
    expected = 0.0
    for index in range(n_bins):
        low, high = index / n_bins, (index + 1) / n_bins
        inside = [i for i in range(300) if low < p[i].max() <= high]
        if inside:
            accuracy = np.mean([p[i].argmax() == y[i] for i in inside])
            confidence = np.mean([p[i].max() for i in inside])
            expected += len(inside) / 300 * abs(accuracy - confidence)
    found = float(qh.prediction.calibration_error(p, y, n_bins))
    assert abs(found - expected) < TOLERANCE
    assert found > 0.01


def test_metrics_take_stacks_of_predictions():
    p, y = _random_predictions(40, 3, 1)
    other = np.roll(p, 1, axis=1)
    for name in ("accuracy", "nll", "brier", "calibration_error"):
        metric = getattr(qh.prediction, name)
        found = metric(np.stack([[p, other]]), y)
        assert found.shape == (1, 2)
        np.testing.assert_allclose(found[0], [metric(p, y), metric(other, y)], rtol=TOLERANCE)


def test_a_probability_of_zero_has_a_finite_loss():
    assert 700 < float(qh.prediction.nll([[1.0, 0.0]], [1])) < 750


NET = qh.BinaryNetwork((1, 1))
BAD_ARGUMENTS = {
    "net": [
        lambda: qh.predict(
            qh.BinaryNetwork((1, 1), likelihood="gaussian"), [[0.5]], np.full(4, 0.25)
        )
    ],
    "X": [
        lambda: qh.predict(NET, [[np.nan]], np.full(4, 0.25)),
        lambda: qh.predict(NET, [[0.1, 0.2]], np.full(4, 0.25)),
    ],
    "q": [
        lambda: qh.predict(NET, [[0.5]], np.full(5, 0.2)),
        lambda: qh.predict(NET, [[0.5]], [0.5, 0.7, -0.1, -0.1]),
        lambda: qh.predict(NET, [[0.5]], [0.5, 0.7, 0.1, 0.1]),
        lambda: qh.predict(NET, [[0.5]], [np.nan, 0.7, 0.1, 0.1]),
        lambda: qh.predict(NET, [[0.5]], [0.5, 0.5], bits=[[0, 1]]),
    ],
    "bits": [lambda: qh.predict(NET, [[0.5]], [1.0], bits=[[0, 1, 1]])],
    "probabilities": [lambda: qh.prediction.nll([[np.nan, 0.5]], [1])],
    "y": [
        lambda: qh.prediction.accuracy([[0.5, 0.5]], [2]),
        lambda: qh.prediction.nll([[0.5, 0.5]], [0, 1]),
        lambda: qh.prediction.brier([[0.5, 0.5]], [0.5]),
    ],
    "n_bins": [lambda: qh.prediction.calibration_error([[0.5, 0.5]], [1], 0)],
}


@pytest.mark.parametrize(
    ("argument", "call"), [(name, call) for name, calls in BAD_ARGUMENTS.items() for call in calls]
)
def test_a_bad_argument_is_named(argument, call):
    with pytest.raises((ValueError, TypeError), match=rf"^{argument}: expected .*, got "):
        call()
