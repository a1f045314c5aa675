"""How training moves, and when it stops: SGD, L-BFGS-B, minibatches, early stopping, callbacks."""

import signal

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp

import qhypernet as qh
from qhypernet import _stretch
from qhypernet._minibatches import minibatch_table
from qhypernet.gradients import Exact

CIRCUIT = qh.ansatz.hardware_efficient(3, 2)
TABLE = np.random.default_rng(4).normal(-8, 3, 8)
HISTORY = ("objective", "expected_nll", "regularizer", "gradient_norm")
# A search stops where a step gains less than 1e-10 of the objective, here about 5 nats.
SEARCHED = 1e-8


def _train(objective=None, **options):
    settings = {"n_inits": 4, "n_steps": 30, "seed": 5} | options
    return qh.train(CIRCUIT, TABLE, objective or qh.ELBO(), **settings)


def _value_and_gradient(theta):
    """ELBO and its gradient by central differences of probabilities."""

    def value(x):
        q = CIRCUIT.simulate(x).probabilities()
        return q @ (np.log(np.maximum(q, 1e-300)) + np.log(8) - TABLE)

    h = 1e-5
    slopes = [(value(theta + h * e) - value(theta - h * e)) / (2 * h) for e in np.eye(len(theta))]
    return value(theta), np.array(slopes)


def _assert_equal(a, b):
    np.testing.assert_array_equal(a.params, b.params)
    assert a.history.identical(b.history)


def _interrupt(monkeypatch, at_step):
    original = Exact.__call__

    def call(self, *args, step, **options):
        found = original(self, *args, step=step, **options)
        if step == at_step:
            signal.raise_signal(signal.SIGINT)
        return found

    monkeypatch.setattr(Exact, "__call__", call)
    monkeypatch.setattr(_stretch, "MOST", 1)


@pytest.mark.parametrize("momentum", [0.0, 0.7])
def test_sgd_is_its_recursion(momentum):
    start = np.random.default_rng(0).uniform(-3, 3, (2, CIRCUIT.n_params))
    rate = qh.Schedule(0.02, 0.005, "linear")
    r = _train(n_inits=2, n_steps=6, start=start, optimizer=qh.SGD(rate, momentum))
    for theta, found in zip(start.copy(), r.params, strict=True):
        velocity = 0.0
        for t in range(6):
            velocity = momentum * velocity + _value_and_gradient(theta)[1]
            theta = theta - (0.02 - 0.003 * t) * velocity
        np.testing.assert_allclose(found, theta, atol=1e-6)  # of central differences
    np.testing.assert_allclose(r.history["learning_rate"], 0.02 - 0.003 * np.arange(6), rtol=1e-12)


def test_lbfgsb_is_scipy_s():
    r = _train(n_steps=200, optimizer=qh.LBFGSB())
    assert "learning_rate" not in r.history
    for first, found in zip(_train(n_steps=1).params, r.params, strict=True):
        del first
        end = minimize(_value_and_gradient, found, jac=True, method="L-BFGS-B")
        assert _value_and_gradient(found)[0] - end.fun < SEARCHED
    # Searches end by themselves, each at its own time, and then stay.
    taken = r.history["steps_taken"].values
    assert taken.max() == r.history.sizes["step"] < 200
    assert len(set(taken)) > 1
    first = int(taken.argmin())
    best = _value_and_gradient(r.params[first])[0]
    np.testing.assert_allclose(r.history["objective"][first, taken[first] - 1 :], best, rtol=1e-12)


def test_lbfgsb_keeps_the_best_point_and_no_start_knows_of_another():
    few, many = (_train(n_inits=n, n_steps=9, optimizer=qh.LBFGSB()) for n in (2, 6))
    np.testing.assert_array_equal(few.params, many.params[:2])
    for name in HISTORY:
        np.testing.assert_array_equal(few.history[name], many.history[name][:2])
    was_worse = False
    for n_steps in range(1, 12):
        r = _train(n_inits=6, n_steps=n_steps, optimizer=qh.LBFGSB())
        at_end = [_value_and_gradient(theta)[0] for theta in r.params]
        np.testing.assert_allclose(at_end, r.history["objective"].min("step"), rtol=1e-12)
        was_worse |= bool((r.history["objective"][:, -1] > np.array(at_end) + 1e-6).any())
    assert was_worse  # a point that was tried last and not kept


def test_a_search_that_ends_on_a_trial_goes_back():
    r = _train(n_steps=400, optimizer=qh.LBFGSB(tolerance=0))
    at_end = [_value_and_gradient(theta)[0] for theta in r.params]
    assert (r.history["objective"].values == r.history["objective"].values[:, -1:]).sum() > 4
    np.testing.assert_allclose(r.history["objective"][:, -1], at_end, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": qh.LBFGSB(), "n_steps": 60},
        {"optimizer": qh.SGD(0.01)},
        {"stopping": qh.EarlyStopping(16, 0.5), "ground_truth": 7},
    ],
    ids=["lbfgsb", "sgd", "stopping"],
)
@pytest.mark.parametrize("at_step", [0, 8, 20])
def test_an_interrupted_training_goes_on_as_if_nothing_had_been(
    monkeypatch, tmp_path, options, at_step
):
    expected = _train(**options)
    with monkeypatch.context() as patch:
        _interrupt(patch, at_step)
        with pytest.raises(qh.Interrupted, match="saved to"):
            _train(checkpoint=tmp_path / "c.nc", **options)
    _assert_equal(_train(checkpoint=tmp_path / "c.nc", **options), expected)
    _assert_equal(_train(checkpoint=tmp_path / "c.nc", **options), expected)


def test_early_stopping_waits_for_schedules_and_then_for_patience():
    whole = _train(qh.ELBO(qh.Schedule(5, 1, fraction=0.2)), n_steps=120)
    rule = qh.EarlyStopping(patience=4, min_delta=0.02)
    r = _train(qh.ELBO(qh.Schedule(5, 1, fraction=0.2)), n_steps=120, stopping=rule)
    settled = 24  # the first step at which the weight is 1
    assert r.history["weight"][settled - 1] > 1 == r.history["weight"][settled]
    for i, objective in enumerate(whole.history["objective"].values):
        lowest, waited, taken = np.inf, 0, 120
        for t in range(settled, 120):
            lower = objective[t] < lowest - 0.02
            lowest, waited = (objective[t], 0) if lower else (lowest, waited + 1)
            if waited == 4:
                taken = t + 1
                break
        assert r.history["steps_taken"][i] == taken
        n = min(taken, r.history.sizes["step"])
        np.testing.assert_array_equal(r.history["objective"][i, :n], objective[:n])
        # It moved at the step that it stopped at, and not again.
        same = _train(qh.ELBO(qh.Schedule(5, 1, fraction=0.2)), n_steps=120, callback=_until(taken))
        np.testing.assert_array_equal(r.params[i], same.params[i])
    assert r.history.sizes["step"] == r.history["steps_taken"].max() < 120


def _until(step):
    return lambda shown: shown.step == step


def test_a_callback_sees_every_step_and_may_end_training():
    seen = []
    r = _train(callback=lambda shown: seen.append(shown) or shown.step == 7)
    assert [shown.step for shown in seen] == list(range(1, 8))
    assert r.history.sizes["step"] == 7
    np.testing.assert_array_equal(seen[-1].params, r.params)
    for name in HISTORY:
        found = np.stack([getattr(shown, name) for shown in seen], axis=1)
        np.testing.assert_array_equal(found, r.history[name])


@pytest.mark.parametrize("every", [7, 15, 100])
def test_ground_truth_on_the_way(every):
    r = _train(ground_truth=every)
    steps = sorted({*range(0, 31, every), 30})
    np.testing.assert_array_equal(r.history["truth_step"], steps)
    posterior = np.exp(TABLE - logsumexp(TABLE))
    for i, step in enumerate(steps):
        q = _train(n_steps=step).probabilities() if step else _started()
        kl = (q * (np.log(q) - np.log(posterior))).sum(axis=1)
        np.testing.assert_allclose(r.history["kl"][:, i], kl, atol=1e-10)
        distance = abs(q - posterior).sum(axis=1) / 2
        np.testing.assert_allclose(r.history["total_variation"][:, i], distance, atol=1e-10)
    assert r.history["kl"].attrs["units"] == "nats"


def _started():
    shown = []
    _train(n_steps=1, optimizer=qh.SGD(1e-300), callback=shown.append)
    return CIRCUIT.simulate(shown[0].params).probabilities()


def _problem():
    rng = np.random.default_rng(2)
    net = qh.BinaryNetwork((1, 1, 1), activation="tanh", bias=False)
    X = rng.normal(size=(9, 1))
    return qh.Problem(net, X, (X[:, 0] + 0.3 * rng.normal(size=9) > 0).astype(int))


def test_minibatches_are_unbiased_and_draw_no_point_twice():
    problem = _problem()
    points = np.array([problem.net.log_likelihood_table(x[None], [y]) for x, y in _points(problem)])
    tables = np.array([minibatch_table(problem, 4, 3, step) for step in range(4000)])
    # Each is 9/4 times the sum of four points.
    for table in tables[:20]:
        inside = np.linalg.lstsq(points.T, table / (9 / 4), rcond=None)[0]
        assert np.linalg.matrix_rank(points) < 9 or sorted(np.round(inside, 6)) == [0] * 5 + [1] * 4
    error = abs(tables.mean(axis=0) - problem.table)
    assert (error < 5 * tables.std(axis=0) / np.sqrt(len(tables))).all()
    np.testing.assert_allclose(minibatch_table(problem, 9, 3, 0), problem.table, rtol=1e-12)


def _points(problem):
    return zip(problem.X, problem.y, strict=True)


def test_training_on_minibatches_is_repeatable_and_uses_them():
    problem, circuit = _problem(), qh.ansatz.hardware_efficient(2, 2)
    options = {"n_inits": 3, "n_steps": 5, "seed": 8}
    r = qh.train(circuit, problem, qh.SELBO(), batch_size=4, **options)
    _assert_equal(r, qh.train(circuit, problem, qh.SELBO(), batch_size=4, **options))
    q = [circuit.simulate(p).probabilities() for p in _path(circuit, problem, options)]
    for step, at in enumerate(q):
        table = minibatch_table(problem, 4, 8, step)
        np.testing.assert_allclose(r.history["expected_nll"][:, step], -at @ table, rtol=1e-9)


def _path(circuit, problem, options):
    """Parameters before each step."""
    shown = []
    run = {"callback": shown.append, "batch_size": 4}
    qh.train(circuit, problem, qh.SELBO(), **options | run)
    still = {"optimizer": qh.SGD(1e-300), "n_steps": 1, "callback": shown.append}
    qh.train(circuit, problem, qh.SELBO(), **options | still)
    return [shown[-1].params, *(s.params for s in shown[:-2])]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"optimizer": "adam"},
            r"^optimizer: expected one such as Adam\(0.1\) or None, got 'adam'",
        ),
        ({"stopping": 5}, r"^stopping: expected EarlyStopping\(...\) or None, got 5"),
        ({"batch_size": 4}, "^batch_size: expected None with a table, which has no points"),
        ({"ground_truth": 0}, "^ground_truth: expected a whole number of at least 1, got 0"),
        (
            {"optimizer": qh.LBFGSB(), "gradient": "sampled", "shots": 5},
            '^optimizer: expected Adam or SGD with gradient="sampled", got LBFGSB, whose line',
        ),
        (
            {"optimizer": qh.LBFGSB(), "objective": qh.ELBO(qh.Schedule(9, 1))},
            r"^optimizer: expected Adam or SGD with a weight that changes, 9 to 1 .* got LBFGSB",
        ),
    ],
)
def test_what_does_not_go_together_is_told(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        _train(**options)


def test_batches_that_do_not_fit_are_told():
    problem, circuit = _problem(), qh.ansatz.hardware_efficient(2, 2)
    for options, message in (
        ({"batch_size": 10}, "^batch_size: expected a whole number from 1 to 9, got 10"),
        ({"batch_size": 0}, "^batch_size: expected a whole number from 1 to 9, got 0"),
        (
            {"batch_size": 3, "optimizer": qh.LBFGSB()},
            "^optimizer: expected Adam or SGD with batch_size=3, got LBFGSB",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            qh.train(circuit, problem, qh.ELBO(), **options)
    with pytest.raises(ValueError, match="batch_size: expected None with KSD, which"):
        qh.train(circuit, problem, qh.KSD(), batch_size=3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: qh.SGD(0), "^learning_rate: expected a finite number above 0, got 0"),
        (lambda: qh.SGD(0.1, momentum=1), "^momentum: expected a finite number of at least 0 and"),
        (lambda: qh.LBFGSB(memory=0), "^memory: expected a whole number of at least 1, got 0"),
        (lambda: qh.LBFGSB(tolerance=-1), "^tolerance: expected"),
        (lambda: qh.EarlyStopping(0), "^patience: expected a whole number of at least 1, got 0"),
        (lambda: qh.EarlyStopping(3, -1), "^min_delta: expected"),
    ],
)
def test_settings_out_of_bounds_are_told(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_best_start_is_the_one_nearest_to_the_posterior():
    prior = qh.BernoulliPrior(3, [0.3, 0.5, 0.8])
    r = _train(n_inits=7, n_steps=10, prior=prior)
    log_joint = TABLE + prior.log_probabilities()
    posterior = np.exp(log_joint - logsumexp(log_joint))
    q = r.probabilities()
    kl = (q * np.log(q / posterior)).sum(axis=1)
    best = qh.select(r, TABLE, prior=prior)
    assert best.init == kl.argmin()
    np.testing.assert_allclose(best.scores, logsumexp(log_joint) - kl, atol=1e-10)


def test_from_samples_the_best_start_is_that_of_the_objective():
    prior = qh.BernoulliPrior(3, [0.3, 0.5, 0.8])
    selbo = qh.SELBO(qh.Schedule(90, 20))
    r = _train(selbo, n_inits=5, n_steps=6, prior=prior)
    shots = 20_000
    found = qh.select(r, TABLE, prior=prior, objective=selbo, shots=shots)
    exact = []
    for q in r.probabilities():
        mmd2 = qh.mmd2_exact(q, prior.probabilities(), qh.HammingKernel((1.5**0.5,)))
        exact.append(q @ TABLE - 20 * mmd2)
    # Both parts are means of bounded terms.
    bound = 5 * (np.ptp(TABLE) + 4 * 20) / np.sqrt(shots)
    np.testing.assert_allclose(found.scores, exact, atol=bound)
    assert found.init == np.argmax(found.scores)
    again = qh.select(r, TABLE, prior=prior, objective=selbo, shots=shots)
    np.testing.assert_array_equal(found.scores, again.scores)
    other = qh.select(r, TABLE, prior=prior, objective=selbo, shots=shots, seed=1)
    assert (found.scores != other.scores).all()


def test_starts_that_diverged_are_not_selected():
    r = _train(n_inits=3, n_steps=5)
    best = qh.select(r, TABLE).init
    r.failed[best] = True
    without = qh.select(r, TABLE)
    assert without.init != best
    assert np.isnan(without.scores[best])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shots": 9}, "^objective: expected the one that was trained with shots, got None"),
        ({"shots": 9, "objective": qh.ELBO()}, "^objective: expected one for samples, got ELBO"),
        ({"objective": qh.SELBO()}, "^shots: expected a number with an objective or a sampler"),
        ({"shots": 1, "objective": qh.SELBO()}, "^shots: expected a whole number of at least 2"),
    ],
)
def test_a_selection_that_cannot_be_made_is_told(options, message):
    with pytest.raises(ValueError, match=message):
        qh.select(_train(n_inits=2, n_steps=2), TABLE, **options)


def test_the_core_s_adam_is_numpy_s_to_the_bit():
    rng = np.random.default_rng(8)
    adam = qh.Adam(0.07, beta1=0.8, beta2=0.97, epsilon=1e-6)
    theta = rng.normal(size=(5, 7))
    mean, square = np.zeros_like(theta), np.zeros_like(theta)
    state, params = adam.start(theta), theta
    for t in range(4):
        gradient = rng.normal(scale=10.0**-t, size=theta.shape)
        mean = mean * 0.8 + (1 - 0.8) * gradient
        square = square * 0.97 + gradient * gradient * (1 - 0.97)
        root = np.sqrt(square) * (1 / np.sqrt(1 - 0.97 ** (t + 1)))
        theta = theta - mean / (root + 1e-6) * (0.07 / (1 - 0.8 ** (t + 1)))
        # Not in rows, as a gradient of the user's own may be.
        params, state = adam.step(params, np.asfortranarray(gradient), state, t, 4)
        np.testing.assert_array_equal(params, theta)
