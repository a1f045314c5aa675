"""Samples have the exact distribution; gradients from samples are unbiased."""

import functools
import re
import subprocess
import sys

import numpy as np
import pytest
from oracles import (
    build,
    cotangent,
    divergence,
    evaluate,
    n_params_of,
    prior_probabilities,
    random_ops,
)
from scipy.stats import chi2

import qhypernet as qh
from qhypernet.gradients import Exact, Sampled

# A right program fails a test this often, and seeds are fixed, so never once it has passed.
FALSE_ALARM = 1e-6
# Standard errors: a normal deviate beyond five has probability 6e-7.
SIGMAS = 5.0


def _bits_to_index(bits):
    return bits.astype(np.int64) @ (1 << np.arange(bits.shape[-1], dtype=np.int64))


def _assert_distribution(bits, q):
    """Pearson's chi-square; outcomes expected fewer than five times are one bin."""
    counts = np.bincount(_bits_to_index(bits), minlength=len(q)).astype(float)
    expected = q * len(bits)
    rare = expected < 5
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    counts, expected = counts[expected > 0], expected[expected > 0]
    statistic = ((counts - expected) ** 2 / expected).sum()
    assert statistic < chi2.isf(FALSE_ALARM, len(counts) - 1)


def _case(n, seed=0, n_gates=30):
    rng = np.random.default_rng([n, seed])
    ops = random_ops(rng, n, n_gates)
    return build(n, ops), rng.uniform(-3, 3, n_params_of(ops))


@pytest.mark.parametrize("dtype", ["single", "double"])
@pytest.mark.parametrize(("n", "shots"), [(1, 1000), (5, 20_000), (11, 200_000), (14, 200_000)])
def test_frequencies_are_the_probabilities(n, shots, dtype):
    circuit = qh.ansatz.hardware_efficient(n, 2)
    params = np.random.default_rng(n).uniform(-3, 3, circuit.n_params)
    state = circuit.simulate(params, dtype=dtype)
    bits = state.sample(shots, seed=n)
    assert bits.shape == (shots, n)
    assert bits.dtype == np.uint8
    _assert_distribution(bits, state.probabilities())


def test_the_check_of_frequencies_can_fail():
    circuit, params = _case(5)
    state = circuit.simulate(params)
    wrong = state.sample(20_000)[:, ::-1]
    with pytest.raises(AssertionError):
        _assert_distribution(wrong, state.probabilities())


def test_column_i_is_qubit_i():
    n, shots = 5, 4000
    circuit = qh.Circuit(n)
    angles = np.array([0.4, 0.9, 1.4, 1.9, 2.4])
    for qubit in range(n):
        circuit.ry(qubit)
    means = circuit.simulate(angles).sample(shots, seed=3).mean(axis=0)
    p = np.sin(angles / 2) ** 2
    bound = SIGMAS * np.sqrt(p * (1 - p) / shots)
    assert (abs(means - p) < bound).all()
    assert (bound < np.diff(p).min() / 2).all()
    flip = qh.Circuit(4)
    flip.x(2)
    np.testing.assert_array_equal(flip.simulate().sample(3), [[0, 0, 1, 0]] * 3)


def test_qubits_are_measured_together():
    circuit = qh.Circuit(13)
    circuit.h(2)
    for target in (0, 5, 12):
        circuit.cx(2, target)
    bits = circuit.simulate().sample(500, seed=1)
    for target in (0, 5, 12):
        np.testing.assert_array_equal(bits[:, target], bits[:, 2])
    assert not bits[:, [1, 3, 4, 6, 7, 8, 9, 10, 11]].any()
    assert abs(bits[:, 2].mean() - 0.5) < SIGMAS * np.sqrt(0.25 / 500)


@pytest.mark.parametrize("n", [4, 14])
def test_each_member_of_a_batch_has_a_stream_of_its_own(n):
    shots = 5000
    circuit = qh.ansatz.hardware_efficient(n, 2)
    params = np.random.default_rng(n).uniform(-3, 3, circuit.n_params)
    state = circuit.simulate(np.tile(params, (3, 1)))
    bits = state.sample(shots, seed=8)
    assert bits.shape == (3, shots, n)
    q = state.probabilities()[0]
    together = (q**2).sum()  # Chance that two independent draws are equal.
    index = _bits_to_index(bits)
    bound = SIGMAS * np.sqrt(together * (1 - together) / shots)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert abs((index[i] == index[j]).mean() - together) < bound
        _assert_distribution(bits[j], q)
    smaller = circuit.simulate(np.tile(params, (2, 1))).sample(shots, seed=8)
    np.testing.assert_array_equal(smaller, bits[:2])
    np.testing.assert_array_equal(circuit.simulate(params).sample(shots, seed=8), bits[0])


def test_seeds_name_streams():
    circuit, params = _case(6)
    state = circuit.simulate(params)
    first = state.sample(200, seed=1)
    np.testing.assert_array_equal(first, state.sample(200, seed=1))
    np.testing.assert_array_equal(first[:50], state.sample(50, seed=1))
    assert (first != state.sample(200, seed=2)).any()
    assert (first != state.sample(200, seed=2**64 - 1)).any()
    assert (state.sample(200, seed=None) != state.sample(200, seed=None)).any()


def test_draws_from_the_prior_have_its_distribution():
    prior = qh.BernoulliPrior(4, [0.2, 0.35, 0.6, 0.85])
    expected = prior_probabilities(prior.p_plus)
    np.testing.assert_allclose(prior.probabilities(), expected, rtol=1e-14)
    np.testing.assert_allclose(np.exp(prior.log_probabilities()), expected, rtol=1e-14)
    bits = prior.sample(50_000, seed=5)
    _assert_distribution(bits, expected)
    np.testing.assert_array_equal(bits, prior.sample(50_000, seed=5))
    np.testing.assert_array_equal(bits[:10], prior.sample(10, seed=5))
    assert (bits != prior.sample(50_000, seed=6)).any()


OBJECTIVES = [
    qh.MLE(),
    qh.ELBO(beta=1.7),
    qh.SELBO(weight=9.0, kernel=qh.HammingKernel((1.3, 2.2))),
]


# Circuits of one layer draw their shots bit by bit; others from the whole distribution.
LAYERS = [1, 2]


def _training_case(n_layers=2):
    n = 3
    circuit = qh.ansatz.hardware_efficient(n, n_layers)
    rng = np.random.default_rng(17)
    params = rng.uniform(0.3, 1.2, circuit.n_params)
    prior = qh.BernoulliPrior(n, [0.3, 0.6, 0.8])
    return circuit, params, prior, rng.normal(-4, 2, 2**n)


@functools.cache
def _repeated(shots, objective, n_layers, n_rows=4000, n_steps=10):
    """Evaluations from independent streams: rows are initialisations, and steps follow steps."""
    circuit, params, prior, table = _training_case(n_layers)
    rows = np.tile(params, (n_rows, 1))
    found = [
        evaluate(Sampled(shots), circuit, table, prior, objective, rows, seed=2, step=step)
        for step in range(n_steps)
    ]
    gradient = np.concatenate([e.gradient for e in found])
    return (
        gradient,
        np.concatenate([e.expected_nll for e in found]),
        np.concatenate([e.regularizer for e in found]),
    )


def _standard_error(values):
    return np.sqrt(values.var(axis=0, ddof=1) / len(values))


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.name)
@pytest.mark.parametrize("shots", [3, 4])
@pytest.mark.parametrize("n_layers", LAYERS)
def test_sampled_gradients_are_unbiased(shots, objective, n_layers):
    # The bound must be tight enough for the plausible mistakes. Their shift along the gradient, in
    # bounds, from 400 000 repetitions in NumPy of this very case: the mean of all shots as baseline
    # (shrinks what is linear in q by (N-1)/N) 5.5 to 8; a leave-one-out mean of f_i whose kernel
    # sums still hold shot i 2.1; the plug-in K q of all shots 2.7 to 3.2.
    circuit, params, prior, table = _training_case(n_layers)
    exact = evaluate(Exact(), circuit, table, prior, objective, params[None]).gradient[0]
    gradient, _, _ = _repeated(shots, objective, n_layers)
    bound = SIGMAS * _standard_error(gradient)
    assert (abs(gradient.mean(axis=0) - exact) <= bound + 1e-12).all()
    # The same along the gradient, where a shrinkage would show best.
    along = gradient @ exact / np.linalg.norm(exact)
    bound_along = SIGMAS * _standard_error(along)
    assert abs(along.mean() - np.linalg.norm(exact)) < bound_along
    assert 3 * bound_along < np.linalg.norm(exact) / shots


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.name)
@pytest.mark.parametrize("shots", [3, 4])
@pytest.mark.parametrize("n_layers", LAYERS)
def test_sampled_parts_of_the_objective_are_unbiased(shots, objective, n_layers):
    circuit, params, prior, table = _training_case(n_layers)
    q = circuit.simulate(params).probabilities()
    p = prior_probabilities(prior.p_plus)
    _, nll, regularizer = _repeated(shots, objective, n_layers)
    assert abs(nll.mean() + q @ table) < SIGMAS * _standard_error(nll)
    expected = objective.weight * divergence(q, p, objective)
    bound = SIGMAS * _standard_error(regularizer)
    assert abs(regularizer.mean() - expected) <= bound
    if isinstance(objective, qh.SELBO):
        # A V-statistic is (1 - q'Kq)/N too large; the bound must be well below that.
        same = 1 - cotangent(q, 0 * q, 0 * q, objective) @ q / (2 * objective.weight)
        assert 5 * bound < objective.weight * same / shots
        assert (regularizer < 0).any()


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.name)
@pytest.mark.parametrize("n_layers", LAYERS)
def test_a_sure_outcome_has_no_noise(objective, n_layers):
    circuit, _, prior, table = _training_case(n_layers)
    params = np.zeros((1, circuit.n_params))
    q = circuit.simulate(params[0]).probabilities()
    p = prior_probabilities(prior.p_plus)
    found = evaluate(Sampled(3), circuit, table, prior, objective, params)
    np.testing.assert_allclose(found.expected_nll, -table[0], rtol=1e-14)
    expected = objective.weight * divergence(q, p, objective)
    np.testing.assert_allclose(found.regularizer, expected, rtol=1e-13)
    np.testing.assert_array_equal(found.gradient, 0)


def test_streams_are_named_by_seed_row_and_step():
    circuit, params, prior, table = _training_case()
    rows = np.tile(params, (3, 1))

    def nll(rows, **stream):
        return evaluate(Sampled(50), circuit, table, prior, qh.MLE(), rows, **stream).expected_nll

    base = nll(rows, seed=1, step=4)
    assert len(set(base)) == 3
    np.testing.assert_array_equal(base, nll(rows, seed=1, step=4))
    np.testing.assert_array_equal(base[:2], nll(rows[:2], seed=1, step=4))
    assert (base != nll(rows, seed=1, step=5)).all()
    assert (base != nll(rows, seed=2, step=4)).all()


BAD_SAMPLES = {
    "shots": [0, -1, 2.5, None],
    "seed": [-1, 2**64, 0.5, "1"],
}


@pytest.mark.parametrize(("name", "value"), [(k, v) for k, vs in BAD_SAMPLES.items() for v in vs])
def test_a_bad_argument_is_named(name, value):
    circuit, params = _case(3)
    arguments = {"shots": 10, "seed": 0, name: value}
    with pytest.raises((ValueError, TypeError), match=rf"^{name}: expected .*, got "):
        circuit.simulate(params).sample(arguments["shots"], seed=arguments["seed"])
    with pytest.raises((ValueError, TypeError), match=r"^(n_samples|seed): expected .*, got "):
        qh.BernoulliPrior(3).sample(arguments["shots"], seed=arguments["seed"])


@pytest.mark.parametrize(
    "call",
    [
        "qh.Circuit(3).simulate().sample(10**13)",
        "qh.Circuit(3).simulate().sample(2**62)",
        "qh.BernoulliPrior(3).sample(10**13)",
    ],
)
def test_samples_that_cannot_fit_are_refused(call):
    # In a process of its own: memory that is taken unchecked ends it.
    code = f"import qhypernet as qh\ntry:\n    {call}\nexcept MemoryError as e:\n    print(e)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]
    assert re.search(r"needs \d.* but only \d.* available", done.stdout)
