"""Regression: predictions against sums over networks, and everything from data to report."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from oracles import all_bits, log_likelihood, logits
from scipy.optimize import brentq
from scipy.stats import norm
from sklearn.linear_model import LinearRegression

import qhypernet as qh
from qhypernet import cli, evaluation, linear, regression, runs

# Sums over networks of numbers of some nats.
TOLERANCE = 1e-10
NETS = [
    qh.BinaryNetwork((1, 2, 1), "tanh", likelihood="gaussian", noise=0.4),
    qh.BinaryNetwork((2, 1, 2), "relu", likelihood="gaussian", noise=0.7, logit_scale=0.6),
]


def _case(net, seed=0):
    """Two distributions, points, targets and the outputs of all networks (S, D, K)."""
    rng = np.random.default_rng(seed)
    bits = all_bits(net.n_weights)
    X = rng.normal(size=(4, net.layers[0]))
    y = rng.normal(size=(4, net.layers[-1]))
    q = rng.dirichlet(np.full(len(bits), 0.3), size=2)
    outputs = np.array([[logits(net, row, x) for x in X] for row in bits])
    return bits, X, y, q, outputs


@pytest.mark.parametrize("net", NETS, ids=repr)
def test_mean_and_spread_equal_sums_over_networks(net):
    _, X, _, q, outputs = _case(net)
    found = qh.regress(net, X, q)
    for m in range(2):
        mean = sum(p * f for p, f in zip(q[m], outputs, strict=True))
        variance = sum(p * (f - mean) ** 2 for p, f in zip(q[m], outputs, strict=True))
        np.testing.assert_allclose(found.mean[m], mean, atol=TOLERANCE)
        np.testing.assert_allclose(found.epistemic[m], np.sqrt(variance), atol=TOLERANCE)
        np.testing.assert_allclose(found.sd[m], np.sqrt(variance + net.noise**2), atol=TOLERANCE)
    single = qh.regress(net, X, q[1])
    np.testing.assert_array_equal(single.mean, found.mean[1])
    assert single.epistemic.shape == (4, net.layers[-1])


@pytest.mark.parametrize("net", NETS, ids=repr)
@pytest.mark.parametrize("block", [2**20, 7], ids=["one block", "many blocks"])
def test_the_mixture_equals_a_sum_over_networks(net, block, monkeypatch):
    monkeypatch.setattr(regression, "_BLOCK", block)
    bits, X, y, q, outputs = _case(net)
    densities = np.prod(norm.pdf(y, loc=outputs, scale=net.noise), axis=2)
    below = norm.cdf(y, loc=outputs, scale=net.noise)
    log_density, cumulative = regression.mixture(net, X, y, q)
    np.testing.assert_allclose(log_density, np.log(q @ densities), atol=TOLERANCE)
    np.testing.assert_allclose(cumulative, np.einsum("ms,sdk->mdk", q, below), atol=TOLERANCE)
    rows = [5, 0, 9]
    few = np.array([0.5, 0.2, 0.3])
    log_density, cumulative = regression.mixture(net, X, y, few, bits=bits[rows])
    np.testing.assert_allclose(log_density, np.log(few @ densities[rows]), atol=TOLERANCE)
    np.testing.assert_allclose(cumulative, np.tensordot(few, below[rows], 1), atol=TOLERANCE)


def test_targets_that_no_probable_network_explains_have_a_finite_density():
    """Beside a network that explains them; the density alone would be 0 in doubles."""
    net = qh.BinaryNetwork((1, 1), bias=False, likelihood="gaussian", noise=0.01)
    log_density, _ = regression.mixture(net, [[1.0]], [1.0], [[0.0, 1.0], [0.5, 0.5]])
    likely = -math.log(0.01 * math.sqrt(2 * math.pi))
    far = likely - 200**2 / 2
    np.testing.assert_allclose(log_density[:, 0], [far, likely + math.log(0.5)], rtol=1e-12)


@pytest.mark.parametrize("level", [0.5, 0.9])
@pytest.mark.parametrize("net", NETS, ids=repr)
def test_the_interval_is_where_the_mixture_says(net, level):
    _, X, _, q, outputs = _case(net)
    lower, upper = regression.interval(net, X, q[0], level)
    for d, k in np.ndindex(lower.shape):

        def below(y, d=d, k=k):
            return q[0] @ norm.cdf(y, loc=outputs[:, d, k], scale=net.noise)

        for end, p in ((lower, (1 - level) / 2), (upper, (1 + level) / 2)):
            expected = brentq(lambda y, p=p: below(y) - p, -20, 20)
            assert abs(end[d, k] - expected) < net.noise / 40


def test_errors_and_coverage_by_hand():
    mean, y = np.array([[[1.0], [3.0]], [[0.0], [0.0]]]), np.array([1.0, 1.0])
    np.testing.assert_allclose(regression.rmse(mean, y), [math.sqrt(2), 1.0])
    below = np.array([[0.04], [0.06], [0.949], [0.951]])
    assert float(regression.coverage(below)) == 0.5
    assert float(regression.coverage(below, level=0.93)) == 1.0


def test_the_classical_baseline_equals_scikit_learn():
    rng = np.random.default_rng(3)
    X, new = rng.normal(size=(30, 2)), rng.normal(size=(5, 2))
    y = X @ [0.3, -1.0] + 0.2 + 0.5 * rng.normal(size=30)
    mean, noise = linear.fit_predict(X, y, new)
    reference = LinearRegression().fit(X, y)
    np.testing.assert_allclose(mean[:, 0], reference.predict(new), rtol=1e-10)
    squares = ((reference.predict(X) - y) ** 2).sum()
    np.testing.assert_allclose(noise, [math.sqrt(squares / 27)], rtol=1e-10)
    y_new = rng.normal(size=5)
    found = regression.of_gaussians(mean, noise, y_new)
    log_p = norm.logpdf(y_new, loc=mean[:, 0], scale=noise[0])
    np.testing.assert_allclose(found["nll"], -log_p.mean())
    low, high = norm.interval(0.9, loc=mean[:, 0], scale=noise[0])
    assert found["coverage"] == ((y_new > low) & (y_new < high)).mean()
    np.testing.assert_allclose(found["rmse"], math.sqrt(((y_new - mean[:, 0]) ** 2).mean()))


DATA = qh.datasets.wave(n_samples=30)
NET = qh.BinaryNetwork((1, 2, 1), "tanh", likelihood="gaussian", noise=0.5)
PROBLEM = qh.Problem(NET, DATA.X_train, DATA.y_train)


def _by_hand(q, posterior):
    """Metrics of one distribution over all networks at the first 40 test points."""
    X, y = DATA.X_test[:40], DATA.y_test[:40]
    bits = all_bits(NET.n_weights)
    outputs = NET.logits(bits, X)[..., 0]
    kept = q > 0
    return {
        "rmse": math.sqrt(((q @ outputs - y) ** 2).mean()),
        "nll": -np.log(q @ norm.pdf(y, loc=outputs, scale=0.5)).mean(),
        "coverage": (np.abs(q @ norm.cdf(y, loc=outputs, scale=0.5) - 0.5) <= 0.45).mean(),
        "kl": float(q[kept] @ (np.log(q[kept]) - np.log(posterior[kept]))),
        "tv": np.abs(q - posterior).sum() / 2,
        "expected_rmse": math.sqrt(q @ ((outputs - y) ** 2).mean(axis=1)),
        "expected_nll": -q @ [log_likelihood(NET, row, X, y) for row in bits] / 40,
    }


def test_every_metric_stands_beside_its_ground_truth(monkeypatch):
    methods = {"mine": qh.baselines.MeanField(n_steps=20)}
    trained = qh.train(qh.ansatz.brickwork(7, 1), PROBLEM, qh.ELBO(), n_inits=2, n_steps=5)
    settings = {"trained": {"circuit": trained}, "methods": methods, "n_inits": 2}
    arguments = PROBLEM, DATA.X_test[:40], DATA.y_test[:40]
    comparison = qh.baselines.compare(*arguments, **settings)
    names = comparison["metric"].values.tolist()
    assert names == [*evaluation.metrics(NET), "elbo"]
    posterior = qh.exact_posterior(PROBLEM.table).probabilities
    fitted = methods["mine"].fit(PROBLEM, n_inits=2).probabilities()
    best = np.eye(2**7)[qh.best_network(PROBLEM.table)]
    rows = {
        ("circuit", 0): trained.probabilities()[0],
        ("circuit", 1): trained.probabilities()[1],
        ("mine", 1): fitted[1],
        ("exact posterior", 0): posterior,
        ("best single network", 0): best,
        ("prior", 0): np.full(2**7, 2.0**-7),
    }
    for (model, init), q in rows.items():
        found = comparison["values"].sel(model=model, init=init)[:-1]
        expected = _by_hand(q, posterior)
        np.testing.assert_allclose(found, [expected[name] for name in names[:-1]], atol=1e-9)
    # Nothing but where it is wrong: the nearer to 0.9, the better.
    coverage = comparison["values"].sel(model="circuit", metric="coverage").values[:2]
    worst = comparison["worst"].sel(model="circuit", metric="coverage")
    assert worst == coverage[np.argmax(np.abs(coverage - 0.9))]
    assert comparison["values"].sel(model="linear regression", metric="rmse")[0] > 0

    monkeypatch.setattr(qh.baselines._compare, "TABLE_WEIGHTS", 6)
    methods = {"chain": qh.baselines.MarkovChain(n_sweeps=30, burn_in=5)}
    by_samples = qh.baselines.compare(*arguments, methods=methods, n_inits=1)
    q = methods["chain"].fit(PROBLEM, n_inits=1).probabilities()[0]
    found = by_samples["values"].sel(model="chain", init=0)
    for name, value in _by_hand(q, posterior).items():
        if name not in ("kl", "tv"):
            np.testing.assert_allclose(found.sel(metric=name), value, atol=1e-9)


def test_the_worst_is_farthest_from_the_best():
    values = np.array([[0.5, 0.7, 0.97], [0.4, 0.8, 0.86], [0.6, 0.2, 0.95]])
    found = evaluation.worst(["rmse", "accuracy", "coverage"], values)
    np.testing.assert_array_equal(found, [0.6, 0.2, 0.97])


def _call(*arguments, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["qhypernet", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return int(stop.value.code or 0)


def test_from_the_command_to_the_report(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = ["--samples", "40", "--hidden", "2", "--activation", "tanh", "--noise", "0.5"]
    options += ["--inits", "2", "--steps", "5", "--out", "r"]
    assert _call("train", "wave", *options, monkeypatch=monkeypatch) == 0
    out = capsys.readouterr().out
    for word in ("RMSE", "coverage", "linear regression", "noise 0.5"):
        assert word in out
    run = runs.read(Path("r"))
    assert (run.net.likelihood, run.net.noise) == ("gaussian", 0.5)
    X, y = run.data.X_test, run.data.y_test
    outputs = run.net.logits(all_bits(7), X)[..., 0]
    for init in range(2):
        q = run.probabilities(init)
        nll = -np.log(q @ norm.pdf(y, loc=outputs, scale=0.5)).mean()
        np.testing.assert_allclose(run.result["trained"].sel(metric="nll")[init], nll, rtol=1e-9)
    assert _call("report", "r", monkeypatch=monkeypatch) == 0
    page = Path("r/report.html").read_text()
    for text in ("mean, doubt and noise", "What central intervals hold", "noise 0.5"):
        assert text in page


def test_a_csv_file_with_a_quantity(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = [f"{a:.3f},{b:.3f},{2 * a - b + 5:.3f}" for a, b in rng.normal(size=(40, 2))]
    Path("t.csv").write_text("a,b,price\n" + "\n".join(rows) + "\n")
    argv = ["train", "t.csv", "--target", "price", "--inits", "1", "--steps", "3", "--out", "r"]
    assert _call(*argv, monkeypatch=monkeypatch) == 1
    assert "--regression" in capsys.readouterr().err
    assert _call(*argv, "--regression", monkeypatch=monkeypatch) == 0
    data = runs.read(Path("r")).data
    assert (data.target_name, data.n_classes, len(data.y_test)) == ("price", 0, 12)
    assert abs(data.y_train.mean()) < 1e-12
    assert abs(data.y_train.std() - 1) < 1e-12
    assert _call("report", "r", monkeypatch=monkeypatch) == 0
    assert "price" in Path("r/report.html").read_text()
    same = [row.rsplit(",", 1)[0] + ",3" for row in rows]
    Path("t.csv").write_text("a,b,price\n" + "\n".join(same) + "\n")
    with pytest.raises(ValueError, match="is 3 in every row"):
        qh.datasets.read_csv("t.csv", "price", regression=True)
    Path("t.csv").write_text("a,price\n1,2\n3,x\n")
    with pytest.raises(ValueError, match="row 2 is 'x': a target of regression must hold finite"):
        qh.datasets.read_csv("t.csv", "price", regression=True)


def test_the_wave_is_what_it_says():
    few, many = qh.datasets.wave(20_000, seed=1, noise=0.0), qh.datasets.wave(20_000, seed=1)
    x = math.pi * math.sqrt(1 / 3) * few.X_train[:, 0]  # undoes the scale, but for sampling
    curve = np.cos(x) + x / 2
    assert np.corrcoef(curve, few.y_train)[0, 1] > 0.9999
    residuals = np.cos(x) + x / 2 - curve.mean() - curve.std() * many.y_train
    assert abs(residuals.std() - 0.1) < 0.005
    np.testing.assert_array_equal(few.X_test.shape, (1000, 1))


def test_noise_belongs_to_regression():
    config = qh.config.RunConfig.parse({"data": {"source": "moons"}, "network": {"noise": 0.2}}, "")
    with pytest.raises(ValueError, match=r"^network.noise: expected none for classification, got"):
        config.build_network(config.load_data())


BAD_ARGUMENTS = {
    "net": [
        lambda: qh.regress(qh.BinaryNetwork((1, 1)), [[0.5]], np.full(4, 0.25)),
        lambda: regression.mixture(qh.BinaryNetwork((1, 1)), [[0.5]], [1], np.full(4, 0.25)),
        lambda: regression.interval(qh.BinaryNetwork((1, 1)), [[0.5]], np.full(4, 0.25)),
    ],
    "X": [lambda: qh.regress(NET, [[0.5, 1.0]], np.full(128, 1 / 128))],
    "y": [
        lambda: regression.mixture(NET, [[0.5]], [0.5, 1.0], np.full(128, 1 / 128)),
        lambda: regression.rmse([[1.0], [2.0]], [1.0]),
    ],
    "q": [
        lambda: qh.regress(NET, [[0.5]], np.full(4, 0.25)),
        lambda: regression.interval(NET, [[0.5]], np.full((1, 128), 1 / 128)),
    ],
    "bits": [lambda: qh.regress(NET, [[0.5]], [1.0], bits=[[0, 1]])],
    "level": [
        lambda: regression.interval(NET, [[0.5]], np.full(128, 1 / 128), 1.0),
        lambda: regression.coverage([[0.5]], 0.0),
    ],
}


@pytest.mark.parametrize(
    ("argument", "call"), [(name, call) for name, calls in BAD_ARGUMENTS.items() for call in calls]
)
def test_a_bad_argument_is_named(argument, call):
    with pytest.raises((ValueError, TypeError), match=rf"^{argument}: expected .*, got "):
        call()
