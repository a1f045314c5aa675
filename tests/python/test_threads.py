"""Any number of threads, forks and neighbours: the same bits, and the GIL is free meanwhile."""

import multiprocessing
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import qhypernet as qh

OPTIONS = [{}, {"gradient": "sampled", "shots": 20}]


def _circuit(n, n_layers=2):
    rotations = ("ry", "rz", "rx")[: n_layers + 1]
    return qh.ansatz.hardware_efficient(n, n_layers, rotations, "cx", "circular")


def _training(n, n_inits, options, n_layers=2):
    rng = np.random.default_rng(n)
    circuit = _circuit(n, n_layers)
    prior = qh.BernoulliPrior(n, rng.uniform(0.2, 0.8, n))
    table = rng.normal(-9, 3, 2**n)
    objectives = [qh.ELBO(beta=2.0), qh.SELBO(weight=20.0)]
    results = [
        qh.train(circuit, table, o, n_inits=n_inits, n_steps=3, prior=prior, **options)
        for o in objectives
    ]
    return [r.params for r in results] + [r.history["objective"].values for r in results]


def _states(n, circuit=None):
    rng = np.random.default_rng(n)
    circuit = circuit or _circuit(n)
    params, cotangent = rng.uniform(-3, 3, (4, circuit.n_params)), rng.normal(size=2**n)
    found = []
    for rows in (params, params[0]):
        for dtype in ("double", "single"):
            state = circuit.simulate(rows, dtype=dtype)
            found += [state.statevector(), state.probabilities(), state.gradient(cotangent)]
            found.append(state.sample(300, seed=3))
    return found


def _networks():
    rng = np.random.default_rng(0)
    net = qh.BinaryNetwork((2, 3, 1), "tanh")
    X, y = rng.normal(size=(90, 2)), rng.integers(2, size=90)
    table = net.log_likelihood_table(X, y)
    q = rng.dirichlet(np.ones(2**13), size=2)
    seen = qh.predict(net, X, q)
    k = qh.HammingKernel((1.7, 3.0))
    bits = rng.integers(2, size=(2, 500, 70), dtype=np.uint8)
    numbers = [
        qh.mmd2(*bits, k),
        qh.mmd2_to_prior(bits[0], qh.BernoulliPrior(70, 0.4), k),
        qh.mmd2_exact(*q, k),
    ]
    return [table, seen.probabilities, seen.votes, seen.aleatoric, k(*bits), np.array(numbers)]


JOBS = {
    "states, 9 qubits": lambda: _states(9),
    "states, 14 qubits": lambda: _states(14),
    "states of a chain, 12 qubits": lambda: _states(12, qh.ansatz.hardware_efficient(12, 3)),
    "states of a chain, 16 qubits": lambda: _states(16, qh.ansatz.hardware_efficient(16, 3)),
    "networks": _networks,
}
for _n in (9, 14):
    for _options in OPTIONS:
        for _inits, _layers in ((2, 2), (5, 2), (27, 1)):
            way = _options.get("gradient", "exact")
            name = f"{_inits} trainings, {_n} qubits, {_layers} layers, {way}"
            JOBS[name] = lambda n=_n, i=_inits, o=_options, k=_layers: _training(n, i, o, k)


@pytest.mark.usefixtures("restored_threads")
@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_one_seed_gives_the_same_bits_on_any_number_of_threads(job):
    results = []
    for n_threads in (1, 2, 3):
        qh.set_num_threads(n_threads)
        assert qh.num_threads() == n_threads
        results.append(job())
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("options", OPTIONS, ids=["exact", "sampled"])
@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("n", [9, 14])
def test_rows_do_not_depend_on_the_size_of_the_batch(n, n_layers, options):
    few, many = (_training(n, i, options, n_layers) for i in (2, 5))
    for a, b in zip(few, many, strict=True):
        np.testing.assert_array_equal(a, b[:2])


def _long_calls():
    circuit = qh.ansatz.hardware_efficient(20, 12)
    params = np.linspace(-2, 2, circuit.n_params)
    net = qh.BinaryNetwork((2, 3, 2, 1), "tanh")
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(1000, 2)), np.arange(1000) % 2
    bits = rng.integers(2, size=(2, 30_000, 30), dtype=np.uint8)
    state = circuit.simulate(params)
    cotangent = np.linspace(-1, 1, 2**20)
    wide = qh.Circuit(24).simulate()
    prior = qh.BernoulliPrior(64, 0.3)
    return {
        "simulate": lambda: circuit.simulate(np.stack([params] * 4)),
        "gradient": lambda: state.gradient(cotangent),
        "sample": lambda: state.sample(400_000),
        "statevector": wide.statevector,
        "table": lambda: net.log_likelihood_table(X, y),
        "mmd2": lambda: qh.mmd2(*bits, qh.HammingKernel(3.0)),
        "prior.sample": lambda: prior.sample(400_000),
    }


@pytest.fixture(scope="module")
def long_calls():
    return _long_calls()


@pytest.mark.usefixtures("restored_threads")
@pytest.mark.parametrize(
    "name", ["simulate", "gradient", "sample", "statevector", "table", "mmd2", "prior.sample"]
)
def test_a_second_thread_advances_while_rust_works(long_calls, name):
    qh.set_num_threads(1)
    # A call that holds the GIL leaves one gap as long as itself, always; a busy machine may, once.
    assert any(_longest_gap(long_calls[name]) < 0.5 for _ in range(4))


def _longest_gap(call):
    """The longest time that a second thread stood still, as a share of the call's."""
    span = []

    def work():
        span.append(time.perf_counter())
        call()
        span.append(time.perf_counter())

    thread = threading.Thread(target=work)
    ticks = []
    thread.start()
    while thread.is_alive():
        ticks.append(time.perf_counter())
        time.sleep(0.0005)
    thread.join()
    start, end = span
    assert end - start > 0.02  # Long against the 5 ms that Python lets a thread wait for the GIL.
    times = np.array([start, *(t for t in ticks if start < t < end), end])
    return np.diff(times).max() / (end - start)


def test_threads_may_share_a_circuit():
    circuit = qh.ansatz.hardware_efficient(18, 6)
    params = np.linspace(-2, 2, circuit.n_params)
    expected = circuit.simulate(params).probabilities()
    found, errors = [], []

    def work():
        try:
            found.append(circuit.simulate(params).probabilities())
        except RuntimeError as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert circuit.n_qubits == 18
    for thread in threads:
        thread.join()
    assert not errors
    for q in found:
        np.testing.assert_array_equal(q, expected)


def test_training_works_outside_the_main_thread():
    expected, found = _training(6, 2, {}), []
    thread = threading.Thread(target=lambda: found.append(_training(6, 2, {})))
    thread.start()
    thread.join()
    for a, b in zip(expected, found[0], strict=True):
        np.testing.assert_array_equal(a, b)


def _in_child(pipe, set_threads):
    if set_threads:
        qh.set_num_threads(2)
    found = _states(14)
    pipe.send([a.tobytes() for a in found])
    pipe.close()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("set_threads", [False, True])
def test_a_forked_child_has_threads_of_its_own(set_threads):
    expected = [a.tobytes() for a in _states(14)]  # The parent's pool is at work by now.
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=_in_child, args=(theirs, set_threads))
    child.start()
    theirs.close()
    try:
        assert ours.poll(60), "the child hangs"
        assert ours.recv() == expected
        child.join(60)
        assert child.exitcode == 0
    finally:
        if child.is_alive():
            child.kill()
        child.join()
    for a, b in zip(_states(14), expected, strict=True):
        assert a.tobytes() == b


@pytest.mark.usefixtures("restored_threads")
@pytest.mark.parametrize("n_threads", [0, -1, 1.5, 2**70])
def test_a_bad_number_of_threads_is_named(n_threads):
    with pytest.raises((ValueError, TypeError), match=r"^n_threads: expected "):
        qh.set_num_threads(n_threads)


SHORT = """
import os
import numpy as np
import xarray
import qhypernet as qh

def threads():
    names = [open(f"/proc/self/task/{task}/comm").read() for task in os.listdir("/proc/self/task")]
    return sum(not name.startswith("qhypernet-") for name in names)

xarray.Dataset({"loads": ("what", np.zeros(1))})  # it may start a thread
circuit, table = qh.ansatz.hardware_efficient(9, 1), np.linspace(-9, 0, 512)
before = threads()
for objective in (qh.MLE(), qh.ELBO(), qh.SELBO()):
    qh.train(circuit, table, objective, n_inits=100, n_steps=2)
print(threads() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="Linux tells names of threads")
def test_what_is_too_short_for_the_pool_starts_no_other():
    done = subprocess.run([sys.executable, "-c", SHORT], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
