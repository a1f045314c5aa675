"""What every baseline promises, whichever there are: the registry is all this file knows."""

import dataclasses

import numpy as np
import pytest
from oracles import all_bits
from threadpoolctl import threadpool_info, threadpool_limits

import qhypernet as qh
from qhypernet import baselines, optimizers
from qhypernet._streams import stream
from qhypernet.baselines import _base, _variational, bayesbinn

# Probabilities of 2**n outcomes sum up to roundings; log q is a sum of n logarithms.
SUM_TOLERANCE = 1e-12
LOG_TOLERANCE = 1e-10
# Standard errors that a frequency may be off; with some 1000 comparisons that is 1 in 10**3.
SIGMAS = 5


def _quick(method):
    """The same method with few steps."""
    names = {field.name for field in dataclasses.fields(method)}
    few = {"n_steps": 8, "n_sweeps": 12, "burn_in": 3, "shots": 4}
    changed = {k: v for k, v in few.items() if k in names and getattr(method, k) is not None}
    return dataclasses.replace(method, **changed)


METHODS = {name: _quick(method) for name, method in baselines.METHODS.items()}
PRIOR = qh.BernoulliPrior(9, np.linspace(0.3, 0.8, 9))


def _problem(layers=(2, 2, 1), seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(12, layers[0]))
    return qh.Problem(qh.BinaryNetwork(layers, "tanh"), X, np.arange(12) % 2)


PROBLEM = _problem()


def _same(a, b, rows=slice(None)):
    for name in a.arrays:
        np.testing.assert_array_equal(a.arrays[name], b.arrays[name][rows])
    for name, values in a.history.items():
        if "init" in values.dims:
            np.testing.assert_array_equal(values, b.history[name][rows])
    np.testing.assert_array_equal(a.failed, b.failed[rows])


@pytest.fixture(params=METHODS.values(), ids=METHODS)
def method(request):
    return request.param


@pytest.fixture
def result(method):
    return method.fit(PROBLEM, n_inits=3, seed=4, prior=PRIOR)


def test_it_leaves_a_distribution_for_each_initialisation(method, result):
    q = result.probabilities()
    assert q.shape == (3, 2**9)
    assert q.min() >= 0
    np.testing.assert_allclose(q.sum(axis=1), 1, rtol=0, atol=SUM_TOLERANCE)
    np.testing.assert_array_equal(np.concatenate(list(result.distributions())), q)
    samples = result.samples(50)
    assert samples.bits.dtype == np.uint8
    assert samples.bits.max() <= 1
    assert samples.bits.shape == (3, samples.weights.shape[1], 9)
    assert samples.log_q.shape == samples.weights.shape
    np.testing.assert_allclose(samples.weights.sum(axis=1), 1, rtol=0, atol=SUM_TOLERANCE)
    assert result.baseline == method
    assert result.seed == 4
    assert not result.failed.any()
    assert result.seconds > 0


def test_log_q_of_samples_is_that_of_the_probabilities(result):
    samples, q = result.samples(200), result.probabilities()
    index = (samples.bits.astype(int) << np.arange(9)).sum(axis=-1)
    found = np.take_along_axis(q, index, axis=1)
    assert found.min() > 0
    known = np.isfinite(samples.log_q)
    np.testing.assert_allclose(
        samples.log_q[known], np.log(found[known]), rtol=0, atol=LOG_TOLERANCE
    )


def test_samples_have_the_means_and_correlations_of_the_distribution(result):
    n = 4000
    samples, q = result.samples(n), result.probabilities()
    signs = 1.0 - 2.0 * all_bits(9)
    drawn = 1.0 - 2.0 * samples.bits.astype(float)
    for weights, rows, p in zip(samples.weights, drawn, q, strict=True):
        for found, expected in [
            (weights @ rows, p @ signs),
            ((weights[:, None] * rows).T @ rows, (p[:, None] * signs).T @ signs),
        ]:
            error = np.sqrt(np.maximum(1 - expected**2, 0) / n)
            assert (abs(found - expected) <= SIGMAS * error + SUM_TOLERANCE).all()


def test_the_history_is_labelled(method, result):
    history = result.history
    assert history.sizes["init"] == 3
    assert {d for v in history.values() for d in v.dims} <= {"init", "step"}
    steps = getattr(method, "n_steps", None) or method.n_sweeps + getattr(method, "burn_in", 0)
    assert history.sizes["step"] == steps
    assert history.attrs["baseline"] == repr(method)
    by_step = [v for v in history.values() if v.dims == ("init", "step")]
    assert by_step
    assert all(np.isfinite(v).all() for v in by_step)


def test_one_seed_gives_the_same_bits_and_another_seed_others(method, result):
    _same(result, method.fit(PROBLEM, n_inits=3, seed=4, prior=PRIOR))
    with pytest.raises(AssertionError):
        _same(result, method.fit(PROBLEM, n_inits=3, seed=5, prior=PRIOR))
    with pytest.raises(AssertionError):  # the upper half of a seed counts too
        _same(result, method.fit(PROBLEM, n_inits=3, seed=4 + 2**32, prior=PRIOR))
    drawn = method.fit(PROBLEM, n_inits=2, seed=None)
    _same(drawn, method.fit(PROBLEM, n_inits=2, seed=drawn.seed))
    assert method.fit(PROBLEM, n_inits=1, seed=None).seed != drawn.seed


def test_samples_repeat(result):
    for a, b in zip(result.samples(7), result.samples(7), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_rows_do_not_depend_on_the_batch_nor_on_blocks(monkeypatch, method, result, at_once):
    monkeypatch.setattr(_base, "_BLOCK_BYTES", at_once * method._bytes(PROBLEM))
    many = method.fit(PROBLEM, n_inits=7, seed=4, prior=PRIOR)
    _same(result, many, slice(3))
    np.testing.assert_array_equal(result.probabilities(), many.probabilities()[:3])


@pytest.mark.usefixtures("restored_threads")
def test_the_number_of_threads_does_not_matter(method, result):
    for n_threads in (1, 2, 3):
        qh.set_num_threads(n_threads)
        with threadpool_limits(n_threads):
            _same(result, method.fit(PROBLEM, n_inits=3, seed=4, prior=PRIOR))


def test_sums_of_blas_are_done_by_one_thread(monkeypatch, method):
    seen, original = [], type(method)._fit

    def fit(self, task):
        seen.extend(pool["num_threads"] for pool in threadpool_info())
        return original(self, task)

    monkeypatch.setattr(type(method), "_fit", fit)
    with threadpool_limits(2):
        method.fit(PROBLEM, n_inits=1)
    assert seen
    assert set(seen) == {1}


def test_streams_differ_in_every_part_of_their_name():
    names = [(1, "a", 2), (2, "a", 2), (1 + 2**32, "a", 2), (1, "b", 2), (1, "a", 3), (1, "a", 0)]
    draws = [tuple(stream(*name).random(4)) for name in names]
    assert len(set(draws)) == len(names)
    assert draws[0] == tuple(stream(*names[0]).random(4))


def test_an_initialisation_that_fails_is_set_aside(monkeypatch, method, result):
    def broken(step):
        def call(self, params, gradient, state, at, n_steps):
            if at == 2:
                gradient = gradient.copy()
                gradient[1] = np.nan
            return step(self, params, gradient, state, at, n_steps)

        return call

    def log_joint(task, bits, original=_base.Task.log_joint):
        values = original(task, bits)
        values[1] = np.nan
        return values

    for optimizer in (optimizers.Adam, bayesbinn._BayesianRule):
        monkeypatch.setattr(optimizer, "step", broken(optimizer.step))
    monkeypatch.setattr(_base.Task, "log_joint", log_joint)
    found = method.fit(PROBLEM, n_inits=3, seed=4, prior=PRIOR)
    assert found.failed.tolist() == found.history["failed"].values.tolist() == [False, True, False]
    assert np.isnan(found.probabilities()[1]).all()
    assert np.isnan(found.samples().weights[1]).all()
    for row in (0, 2):
        np.testing.assert_array_equal(found.probabilities()[row], result.probabilities()[row])
        for name, values in found.history.items():
            if values.dims == ("init", "step"):
                np.testing.assert_array_equal(values[row], result.history[name][row])


def test_networks_too_large_for_a_table_are_sampled(monkeypatch, method):
    monkeypatch.setattr(qh.Problem, "table", property(lambda self: pytest.fail("needs a table")))
    problem = _problem((2, 7, 1))
    r = _variational.with_shots(method, 5).fit(problem, n_inits=2)
    samples = r.samples(6)
    assert samples.bits.shape[::2] == (2, 29)
    assert np.isfinite(samples.weights).all()
    assert not r.failed.any()


def test_it_finds_better_networks_than_the_prior_has(method):
    full = next(m for name, m in baselines.METHODS.items() if METHODS[name] is method)
    data = qh.datasets.moons(100)
    problem = qh.Problem(PROBLEM.net, data.X_train, data.y_train)
    q = full.fit(problem, n_inits=2).probabilities()
    posterior, prior = qh.exact_posterior(problem.table), qh.BernoulliPrior(9).probabilities()
    # The best single network comes to a twenty-fifth of the prior's, and nothing to 0.
    assert (posterior.kl_from(q) < posterior.kl_from(prior) / 5).all()


def test_every_field_is_checked_and_named(method):
    for field in dataclasses.fields(method):
        with pytest.raises((ValueError, TypeError), match=rf"^{field.name}: expected .*, got "):
            dataclasses.replace(method, **{field.name: object()})


@pytest.mark.parametrize(
    ("argument", "options"),
    [
        ("problem", {"problem": PROBLEM.table}),
        ("n_inits", {"n_inits": 0}),
        ("n_inits", {"n_inits": 1.5}),
        ("seed", {"seed": -1}),
        ("seed", {"seed": 2**64}),
        ("prior", {"prior": qh.BernoulliPrior(8)}),
        ("prior", {"prior": 0.5}),
    ],
)
def test_a_bad_argument_is_named(method, argument, options):
    arguments = {"problem": PROBLEM, "n_inits": 2} | options
    problem = arguments.pop("problem")
    with pytest.raises((ValueError, TypeError), match=rf"^{argument}: expected .*, got "):
        method.fit(problem, **arguments)


def test_a_distribution_that_cannot_fit_says_so():
    r = baselines.MeanField(shots=3, n_steps=1).fit(_problem((2, 12, 1)), n_inits=1)
    with pytest.raises(MemoryError, match="1 distributions over 49 weights"):
        r.probabilities()
    with pytest.raises(MemoryError, match="a distribution over 49 weights"):
        baselines.MeanField(n_steps=1).fit(_problem((2, 12, 1)), n_inits=1)


def test_public_names_are_documented():
    for name in baselines.__all__:
        assert getattr(baselines, name).__doc__, name
    for method in baselines.METHODS.values():
        assert "Example:" in type(method).__doc__
        assert repr(method).startswith(type(method).__name__)
