"""Several steps in one call of the core: the bits of single steps, however they are cut."""

import signal
from types import SimpleNamespace

import numpy as np
import pytest

import qhypernet as qh
from qhypernet import _core, _stretch
from qhypernet.gradients import Exact

N_STEPS, N_INITS = 23, 11
HUGE = 2**20
LENGTHS = [2, 3, 7, HUGE]
SOURCES = {"exact": {}, "sampled": {"gradient": "sampled", "shots": 6}}
OBJECTIVES = [qh.MLE(), qh.ELBO(beta=qh.Schedule(4, 1)), qh.SELBO(weight=12.0)]
# A product, states side by side, and states one by one.
CIRCUITS = {
    f"{n} qubits, {n_layers} layers": qh.ansatz.hardware_efficient(n, n_layers)
    for n, n_layers in ((4, 1), (4, 3), (10, 2))
}
CIRCUIT = CIRCUITS["4 qubits, 3 layers"]


def _train(objective=OBJECTIVES[1], circuit=CIRCUIT, **options):
    n = circuit.n_qubits
    rng = np.random.default_rng(n)
    prior = qh.BernoulliPrior(n, rng.uniform(0.2, 0.8, n))
    table = rng.normal(-9, 3, 2**n)
    settings = {"n_inits": N_INITS, "n_steps": N_STEPS, "prior": prior, "seed": 5} | options
    return qh.train(circuit, table, objective, **settings)


def _assert_equal(a, b):
    np.testing.assert_array_equal(a.params, b.params)
    assert a.history.identical(b.history)


@pytest.fixture
def calls(monkeypatch):
    """The first step and the number of steps of each call, as far as the core has taken them."""
    found, original = [], _core.descend

    def descend(*arguments):
        is_done = original(*arguments)
        if is_done:
            found.append((arguments[9], len(arguments[15])))
        return is_done

    monkeypatch.setattr(_core, "descend", descend)
    return found


def _cut(monkeypatch, most):
    """Calls of so many steps, whatever their time; 1 leaves all steps to Python."""
    monkeypatch.setattr(_stretch, "MOST", most)
    monkeypatch.setattr(_stretch, "_SECONDS", 1e9)
    monkeypatch.setattr(_stretch, "_FASTER", HUGE)


def _single(monkeypatch, *arguments, **options):
    with monkeypatch.context() as patch:
        _cut(patch, 1)
        return _train(*arguments, **options)


@pytest.mark.parametrize("circuit", CIRCUITS.values(), ids=CIRCUITS)
@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.name)
@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_any_lengths_give_the_bits_of_single_steps(monkeypatch, calls, source, objective, circuit):
    expected = _single(monkeypatch, objective, circuit, **source)
    assert not calls
    for most in LENGTHS:
        _cut(monkeypatch, most)
        _assert_equal(_train(objective, circuit, **source), expected)
        lengths = [1] + [min(most, N_STEPS - first) for first in range(1, N_STEPS, most)]
        assert calls == list(zip(np.cumsum([0, *lengths]), lengths, strict=False))
        calls.clear()


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("every", [1, 5, 30])
def test_schedules_and_looks_at_the_truth_on_the_way(monkeypatch, calls, source, every):
    rate = qh.Schedule(0.3, 0.01, "cosine", warmup=0.2)
    options = source | {"optimizer": qh.Adam(rate, 0.8, 0.99), "ground_truth": every}
    expected = _single(monkeypatch, first_init=4, **options)
    assert expected.history["truth_step"].values.tolist() == [*range(0, N_STEPS, every), N_STEPS]
    for most in LENGTHS:
        _cut(monkeypatch, most)
        _assert_equal(_train(first_init=4, **options), expected)
        assert sum(n for _, n in calls) == N_STEPS
        assert all(first % every + n <= every for first, n in calls)
        calls.clear()


@pytest.mark.usefixtures("restored_threads")
@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("circuit", CIRCUITS.values(), ids=CIRCUITS)
def test_any_number_of_threads_gives_the_same_bits(monkeypatch, calls, circuit, source):
    expected = _single(monkeypatch, circuit=circuit, **source)
    _cut(monkeypatch, HUGE)
    for n_threads in (1, 2, 3):
        qh.set_num_threads(n_threads)
        _assert_equal(_train(circuit=circuit, **source), expected)
    assert len(calls) == 6


def _leaping(n_lost):
    """From the 7th step on rates are so large that starts at the edge of the doubles leave them."""
    start = np.random.default_rng(1).uniform(-3, 3, (N_INITS, CIRCUIT.n_params))
    start[:n_lost] = np.sign(start[:n_lost]) * 1.797e308
    rate = qh.Schedule(0.1, 1e306, fraction=6 / (N_STEPS - 1))
    return {"start": start, "optimizer": qh.Adam(rate)}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("most", LENGTHS)
def test_a_start_that_diverges_in_the_middle_of_a_call(monkeypatch, calls, source, most):
    options = source | _leaping(2)
    with pytest.warns(RuntimeWarning, match=r"diverged in 2 of 11 init.*aside: \[0, 1\]"):
        expected = _single(monkeypatch, **options)
    lost, others = np.split(expected.history["steps_taken"].values, [2])
    assert 7 <= lost.min() <= lost.max() < N_STEPS
    assert (others == N_STEPS).all()
    _cut(monkeypatch, most)
    with pytest.warns(RuntimeWarning, match=r"aside: \[0, 1\]"):
        found = _train(**options)
    _assert_equal(found, expected)
    np.testing.assert_array_equal(found.failed, expected.failed)
    # The step at which the first is lost is Python's, and so is whatever comes after it.
    assert 0 < sum(n for _, n in calls) < lost.min()


def test_all_starts_that_diverge_in_the_middle_of_a_call(monkeypatch, calls):
    options = _leaping(N_INITS)
    with pytest.raises(qh.DivergedError) as expected:
        _single(monkeypatch, **options)
    _cut(monkeypatch, HUGE)
    with pytest.raises(qh.DivergedError) as found:
        _train(**options)
    assert str(found.value) == str(expected.value)
    assert calls
    _assert_equal(found.value.result, expected.value.result)


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("most", [3, HUGE])
def test_ctrl_c_between_calls_and_the_rest_later(monkeypatch, tmp_path, calls, source, most):
    options = source | {"ground_truth": 9, "checkpoint": tmp_path / "c.nc"}
    expected = _single(monkeypatch, **source, ground_truth=9)
    _cut(monkeypatch, most)
    with monkeypatch.context() as patch:
        within = _core.descend

        def descend(*arguments):
            if len(calls) == 1:
                signal.raise_signal(signal.SIGINT)
            return within(*arguments)

        patch.setattr(_core, "descend", descend)
        stopped = {3: 4, HUGE: 9}[most]
        with pytest.raises(qh.Interrupted, match=f"after step {stopped} of {N_STEPS} and saved to"):
            _train(**options)
    assert len(calls) == 2
    _assert_equal(_train(**options), expected)


def test_a_call_takes_about_so_long(monkeypatch, calls):
    now, descend = [0.0], _core.descend

    def slow(*arguments):
        first, n = arguments[9], len(arguments[15])
        now[0] += n * (0.004 if first < 12 else 0.2)
        return descend(*arguments)

    monkeypatch.setattr(_core, "descend", slow)
    monkeypatch.setattr(_stretch, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    _train(n_steps=32)
    assert [n for _, n in calls] == [1, 4, 12, 12, 1, 1, 1]


@pytest.mark.parametrize(
    "options",
    [
        {"gradient": type("Mine", (Exact,), {})()},
        {"optimizer": type("Mine", (qh.Adam,), {})(0.1)},
        {"optimizer": qh.SGD()},
        {"gradient": "spsa", "shots": 4, "objective": OBJECTIVES[2]},
        {"objective": qh.Renyi()},
        {"objective": qh.KSD()},
        {"callback": lambda step: None},
        {"stopping": qh.EarlyStopping(50)},
    ],
    ids=lambda options: ", ".join(options),
)
def test_whoever_is_asked_at_each_step_is_asked(calls, options):
    _train(**options)
    assert not calls


def test_minibatches_are_drawn_at_each_step(calls):
    net = qh.BinaryNetwork((1, 2), bias=True)
    problem = qh.Problem(net, [[0.4], [-1.0], [2.0]], [0, 1, 1])
    for batch_size in (2, None):
        qh.train(CIRCUIT, problem, qh.ELBO(), n_inits=2, n_steps=4, batch_size=batch_size)
    assert sum(n for _, n in calls) == 4


def test_progress_counts_all_steps_of_a_call(monkeypatch, capsys):
    _cut(monkeypatch, 7)
    _train(progress=True)
    assert f"{N_STEPS}/{N_STEPS}" in capsys.readouterr().err


P = CIRCUIT.n_params


def _arguments():
    rng = np.random.default_rng(0)
    return {
        "circuit": CIRCUIT._core,
        "problem": _core.Problem(rng.normal(-9, 3, 16), np.full(4, 0.5)),
        "params": rng.uniform(-3, 3, (3, P)),
        "divergence": "kl",
        "bandwidths": [],
        "weights": [1.0, 2.0],
        "shots": None,
        "seed": 0,
        "first_init": 0,
        "step": 0,
        "mean": np.zeros((3, P)),
        "square": np.zeros((3, P)),
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-8,
        "moves": [(0.1, 1.0), (0.1, 1.0)],
        "history": np.zeros((2, 4, 3)),
    }


def _read_only(shape):
    array = np.zeros(shape)
    array.flags.writeable = False
    return array


BAD_ARGUMENTS = [
    ("params", np.zeros(P)),
    ("params", np.zeros((3, P + 1))),
    ("params", np.zeros((3, P, 1))),
    ("params", np.zeros((P, 3)).T),
    ("params", np.zeros((3, 2 * P))[:, ::2]),
    ("params", _read_only((3, P))),
    ("params", np.full((3, P), np.nan)),
    ("mean", np.zeros((2, P))),
    ("mean", np.zeros(3 * P)),
    ("mean", np.zeros((P, 3)).T),
    ("mean", _read_only((3, P))),
    ("square", np.zeros((3, P - 1))),
    ("square", np.zeros((6, P))[::2]),
    ("square", "mean"),
    ("history", np.zeros((1, 4, 3))),
    ("history", np.zeros((4, 2, 3))),
    ("history", np.zeros((2, 3, 4))),
    ("history", np.zeros(24)),
    ("history", np.zeros((3, 4, 2)).T),
    ("history", np.zeros((2, 4, 6))[..., ::2]),
    ("history", _read_only((2, 4, 3))),
    ("weights", [1.0]),
    ("weights", [1.0, 2.0, 3.0]),
    ("weight", [1.0, -1.0]),
    ("weight", [np.nan, 1.0]),
    ("shots", 2),
    ("divergence", "l2"),
    ("bandwidths", [-1.0]),
    ("circuit", qh.ansatz.hardware_efficient(5, 3)._core),
]


@pytest.mark.parametrize(("name", "value"), BAD_ARGUMENTS)
def test_a_bad_argument_is_named_and_nothing_is_written(name, value):
    arguments = _arguments()
    changed = "weights" if name == "weight" else name
    if isinstance(value, str) and value in arguments:
        value = arguments[value]
    arguments[changed] = value
    if name == "bandwidths":
        arguments["divergence"] = "mmd"
    if name == "circuit":
        n = qh.ansatz.hardware_efficient(5, 3).n_params
        arguments |= {k: np.zeros((3, n)) for k in ("params", "mean", "square")}
    before = {k: v.copy() for k, v in arguments.items() if isinstance(v, np.ndarray)}
    with pytest.raises(ValueError, match=f"^{name}: expected .*, got "):
        _core.descend(*arguments.values())
    for k, values in before.items():
        np.testing.assert_array_equal(arguments[k], values)


def test_numbers_of_another_kind_are_no_panic():
    for name in ("params", "mean", "square", "history"):
        arguments = _arguments()
        arguments[name] = arguments[name].astype(np.float32)
        with pytest.raises(TypeError, match=name):
            _core.descend(*arguments.values())


@pytest.mark.parametrize("empty", ["starts", "steps"])
def test_no_starts_and_no_steps_are_done_at_once(empty):
    arguments = _arguments()
    if empty == "starts":
        arguments |= {k: np.zeros((0, P)) for k in ("params", "mean", "square")}
        arguments["history"] = np.zeros((2, 4, 0))
    else:
        arguments |= {"weights": [], "moves": [], "history": np.zeros((0, 4, 3))}
    params = arguments["params"].copy()
    assert _core.descend(*arguments.values())
    np.testing.assert_array_equal(arguments["params"], params)
