"""The comparison: against evaluation and predictions worked out one by one."""

import numpy as np
import pytest
from oracles import all_bits

import qhypernet as qh
from qhypernet import baselines, evaluation, prediction
from qhypernet.baselines import _base, _compare

TOLERANCE = 1e-10
DATA = qh.datasets.moons(40)
NET = qh.BinaryNetwork((2, 2, 1), "tanh")
METRICS = [*evaluation.metrics(NET), "elbo"]
PROBLEM = qh.Problem(NET, DATA.X_train, DATA.y_train)
PRIOR = qh.BernoulliPrior(9, np.linspace(0.3, 0.6, 9))
X, Y = DATA.X_test[:60], DATA.y_test[:60]
QUICK = {
    "mine": baselines.MeanField(n_steps=20),
    "chain": baselines.MarkovChain(n_sweeps=30, burn_in=5),
    "point": baselines.SimulatedAnnealing(n_sweeps=5),
}


def _by_hand(q, log_prior=None):
    """Metrics of one distribution over all networks."""
    p = prediction.predict(NET, X, q).probabilities
    bits = all_bits(9)
    right = (NET.logits(bits, X)[..., 0] > 0) == (Y == 1)
    log_prior = PRIOR.log_probabilities() if log_prior is None else log_prior
    seen = q > 0
    posterior = qh.exact_posterior(PROBLEM.table, PRIOR)
    return {
        "accuracy": (p.argmax(axis=1) == Y).mean(),
        "nll": -np.log(p[np.arange(60), Y]).mean(),
        "brier": ((p - np.eye(2)[Y]) ** 2).sum(axis=1).mean(),
        "ece": prediction.calibration_error(p, Y),
        "expected_accuracy": q @ right.mean(axis=1),
        "expected_nll": -q @ NET.log_likelihood(bits, X, Y) / 60,
        "kl": float(posterior.kl_from(q)),
        "tv": float(posterior.total_variation(q)),
        "elbo": q @ (PROBLEM.table + log_prior) - q[seen] @ np.log(q[seen]),
    }


def _compare_all(**options):
    settings = {"methods": QUICK, "prior": PRIOR, "n_inits": 3, "seed": 2} | options
    return baselines.compare(PROBLEM, X, Y, **settings)


def test_every_number_is_that_of_the_distribution():
    comparison = _compare_all()
    references = ["exact posterior", "best single network", "prior", "logistic regression"]
    assert comparison["model"].values.tolist() == [*QUICK, *references]
    assert comparison["metric"].values.tolist() == METRICS
    for name, method in QUICK.items():
        r = method.fit(PROBLEM, n_inits=3, seed=2, prior=PRIOR)
        for init, q in enumerate(r.probabilities()):
            expected = _by_hand(q)
            found = comparison["values"].sel(model=name, init=init)
            np.testing.assert_allclose(found, [expected[m] for m in METRICS], atol=TOLERANCE)
    posterior = qh.exact_posterior(PROBLEM.table, PRIOR)
    truth = {
        "exact posterior": posterior.probabilities,
        "best single network": np.eye(512)[qh.best_network(PROBLEM.table)],
        "prior": PRIOR.probabilities(),
    }
    for name, q in truth.items():
        expected = _by_hand(q)
        found = comparison["values"].sel(model=name, init=0)
        np.testing.assert_allclose(found, [expected[m] for m in METRICS], atol=TOLERANCE)
        assert comparison["values"].sel(model=name)[1:].isnull().all()
    elbo = comparison["median"].sel(model="exact posterior", metric="elbo")
    np.testing.assert_allclose(elbo, posterior.log_evidence)


def test_the_median_the_worst_and_the_selected_start():
    comparison = _compare_all()
    rows = comparison["values"].sel(model="mine")
    for metric in METRICS:
        values = rows.sel(metric=metric).values
        worst = (
            values.min() if metric in ("accuracy", "expected_accuracy", "elbo") else values.max()
        )
        assert comparison["worst"].sel(model="mine", metric=metric) == worst
        assert comparison["median"].sel(model="mine", metric=metric) == np.median(values)
    best = int(rows.sel(metric="elbo").argmax("init"))
    assert best == int(rows.sel(metric="kl").argmin("init"))
    np.testing.assert_array_equal(comparison["selected"].sel(model="mine"), rows[best])
    assert len({float(v) for v in rows.sel(metric="kl")}) == 3


def test_what_the_user_trained_stands_first():
    circuit = qh.ansatz.brickwork(9, 1)
    r = qh.train(circuit, PROBLEM, qh.ELBO(), n_inits=2, n_steps=5, prior=PRIOR)
    fitted = QUICK["chain"].fit(PROBLEM, n_inits=2, prior=PRIOR)
    uniform = np.full(512, 1 / 512)
    trained = {"circuit": r, "fitted": fitted, "given": uniform}
    comparison = _compare_all(trained=trained, methods=[])
    assert comparison["model"].values[:3].tolist() == list(trained)
    expected = [*r.probabilities(), *fitted.probabilities(), uniform]
    found = [
        *comparison["values"].sel(model="circuit")[:2],
        *comparison["values"].sel(model="fitted")[:2],
        comparison["values"].sel(model="given", init=0),
    ]
    for q, row in zip(expected, found, strict=True):
        np.testing.assert_allclose(row, list(map(_by_hand(q).get, METRICS)), atol=TOLERANCE)
    assert comparison["seconds"].sel(model="fitted") == fitted.seconds
    assert comparison["seconds"].sel(model="circuit") == r.seconds > 0


def test_a_start_that_failed_is_counted_and_left_out():
    fitted = QUICK["mine"].fit(PROBLEM, n_inits=3, seed=2, prior=PRIOR)
    whole = _compare_all(trained={"broken": fitted}, methods=[])
    fitted.failed[1] = True
    uniform = np.full(512, 1 / 512)
    comparison = _compare_all(trained={"broken": fitted, "next": uniform}, methods=[])
    found = comparison["values"].sel(model="next", init=0)
    np.testing.assert_allclose(found, list(map(_by_hand(uniform).get, METRICS)), atol=TOLERANCE)
    assert comparison["failed"].sel(model="broken") == 1
    rows = comparison["values"].sel(model="broken")
    assert rows[1].isnull().all()
    kept = whole["values"].sel(model="broken")[[0, 2]]
    np.testing.assert_allclose(rows[[0, 2]], kept, rtol=TOLERANCE)
    np.testing.assert_allclose(comparison["median"].sel(model="broken"), kept.mean("init"))
    fitted.failed[:] = True
    comparison = _compare_all(trained={"broken": fitted}, methods=[])
    assert comparison["median"].sel(model="broken").isnull().all()
    assert baselines.frame(comparison).loc["broken", "kl"] == "-"


def test_samples_give_what_the_table_gives(monkeypatch):
    """A chain's networks are all there is of its distribution; a product's are drawn."""
    by_table = _compare_all(n_inits=2)
    monkeypatch.setattr(_compare, "TABLE_WEIGHTS", 8)
    by_samples = _compare_all(n_inits=2, n_samples=4000)
    common = [m for m in METRICS if m not in ("kl", "tv", "elbo")]
    assert by_samples["model"].values.tolist() == [*QUICK, "prior"]
    for model in ("chain", "point"):
        a, b = (c["values"].sel(model=model, metric=common) for c in (by_table, by_samples))
        np.testing.assert_allclose(a, b, atol=TOLERANCE)
    for metric in ("kl", "tv"):
        assert by_samples["values"].sel(metric=metric).isnull().all()
    point, mine = (
        [c["values"].sel(model=m, metric="elbo").values[:2] for c in (by_table, by_samples)]
        for m in ("point", "mine")
    )
    np.testing.assert_allclose(*point)
    r = QUICK["mine"].fit(PROBLEM, n_inits=2, seed=2, prior=PRIOR)
    for init, q in enumerate(r.probabilities()):
        terms = PROBLEM.table + PRIOR.log_probabilities() - np.log(q)
        error = np.sqrt((q @ terms**2 - (q @ terms) ** 2) / 4000)
        assert abs(mine[0][init] - mine[1][init]) < 5 * error
        assert error < 0.1
    a, b = (c["median"].sel(model="prior", metric="expected_nll") for c in (by_table, by_samples))
    spread = NET.log_likelihood(all_bits(9), X, Y).std() / 60
    assert abs(a - b) < 5 * spread / np.sqrt(4000)
    assert by_samples["median"].sel(model="chain", metric="elbo").isnull()


def test_networks_too_large_for_a_table_are_compared_by_samples(monkeypatch):
    monkeypatch.setattr(qh.Problem, "table", property(lambda self: pytest.fail("needs a table")))
    net = qh.BinaryNetwork((2, 7, 1), "sign")
    problem = qh.Problem(net, DATA.X_train, DATA.y_train)
    monkeypatch.setattr(
        _compare, "METHODS", {"mean field": baselines.MeanField(n_steps=4), **QUICK}
    )
    comparison = baselines.compare(problem, X, Y, n_inits=2, n_samples=20)
    assert comparison["model"].values.tolist() == ["mean field", *QUICK, "prior"]
    assert comparison["median"].sel(metric="accuracy").notnull().all()
    with pytest.raises(
        ValueError, match=r"^trained: expected a baseline's result, .*, got ndarray"
    ):
        baselines.compare(problem, X, Y, trained={"a": np.ones(2)}, methods=[])


def test_the_table_is_text():
    frame = baselines.frame(_compare_all())
    comparison = _compare_all()
    median, worst = (
        float(comparison[s].sel(model="mine", metric="kl")) for s in ("median", "worst")
    )
    assert frame.loc["mine", "kl"] == f"{median:.3f} ({worst:.3f})"
    assert frame.loc["exact posterior", "kl"] == "0.000"
    assert frame.loc["logistic regression", "kl"] == "-"
    assert frame.loc["prior", "seconds"] == "-"
    assert float(frame.loc["mine", "seconds"]) >= 0
    assert list(frame.columns) == [*METRICS, "seconds"]


def test_all_methods_are_the_default_and_symmetry_needs_an_odd_activation():
    odd = _compare._named(None, PROBLEM)
    assert list(odd) == list(baselines.METHODS)
    relu = qh.Problem(qh.BinaryNetwork((2, 2, 1), "relu"), DATA.X_train, DATA.y_train)
    names = list(_compare._named(None, relu))
    assert names
    assert names == [n for n in baselines.METHODS if not n.startswith("symmetric")]
    large = qh.Problem(qh.BinaryNetwork((2, 7, 1), "tanh"), DATA.X_train, DATA.y_train)
    assert _compare._named(["mixture"], large)["mixture"].shots == 100
    assert _base.TABLE_WEIGHTS == 20


@pytest.mark.parametrize(
    ("argument", "options"),
    [
        ("methods", {"methods": ["mean feild"]}),
        ("methods", {"methods": "mixture"}),
        ("methods", {"methods": {"a": "mixture"}}),
        ("trained", {"trained": {"mine": np.full(512, 1 / 512)}}),
        ("trained", {"trained": {"a": np.full(256, 1 / 256)}}),
        ("trained", {"trained": {"a": np.full(512, 1 / 256)}}),
        ("X_test", {"X_test": X[:, :1]}),
        ("y_test", {"y_test": Y[:5]}),
        ("y_test", {"y_test": Y + 1}),
        ("prior", {"prior": qh.BernoulliPrior(8)}),
        ("prior", {"prior": 0.5, "methods": []}),
        ("n_inits", {"n_inits": 0}),
        ("seed", {"seed": -1}),
        ("problem", {"problem": PROBLEM.table}),
    ],
)
def test_a_bad_argument_is_named(argument, options):
    settings = {"problem": PROBLEM, "X_test": X, "y_test": Y, "methods": QUICK, "n_inits": 1}
    settings |= options
    arguments = [settings.pop(name) for name in ("problem", "X_test", "y_test")]
    with pytest.raises((ValueError, TypeError), match=rf"^{argument}: expected .*, got "):
        baselines.compare(*arguments, **settings)
