"""Readout correction and growing noise, against dense matrices and exact channels."""

import sys

import mthree
import numpy as np
import pytest
from oracles import all_bits, evaluate, kernel, prior_probabilities

import qhypernet as qh
from qhypernet import _measured
from qhypernet.gradients import SPSA, Exact, ParameterShift, _samples
from qhypernet.gradients._base import Term
from qhypernet.mitigation import ReadoutMitigation, patterns, weights
from qhypernet.objectives import Target
from qhypernet.samplers import StatevectorSampler, Streams

N = 3
MISREAD = [(0.02, 0.09), (0.05, 0.03), (0.08, 0.12)]
"""P(1 | 0) and P(0 | 1) of each qubit."""


class _Misreading:
    """The simulated state, read by qubits that err independently."""

    def sample(self, circuit, params, shots, streams):
        bits = StatevectorSampler().sample(circuit, params, shots, streams)
        rng = np.random.default_rng([streams.seed, streams.step, len(params)])
        flips = rng.random(bits.shape) < np.where(bits == 0, *np.transpose(MISREAD))
        return bits ^ flips.astype(np.uint8)

    def __repr__(self):
        return "misreading"


def _matrices():
    return [np.array([[1 - a, b], [a, 1 - b]]) for a, b in MISREAD]


def _dense():
    """P(read z | was w): qubit 0 is the least significant bit."""
    found = np.eye(1)
    for matrix in _matrices():
        found = np.kron(matrix, found)
    return found


def test_patterns_are_balanced():
    for n in (1, 2, 3, 5, 8):
        found = patterns(n)
        assert (found.mean(axis=0) == 0.5).all()
        for i in range(n):
            for j in range(i):
                assert (found[:, i] == found[:, j]).mean() == 0.5


def test_weights_are_the_inverse_of_the_dense_matrix():
    corrector = mthree.M3Mitigation()
    corrector.cals_from_matrices([m.astype(np.float32) for m in _matrices()])
    rng = np.random.default_rng(2)
    q = rng.dirichlet(np.ones(8), size=2)
    index = np.array([rng.choice(8, 4000, p=_dense() @ row) for row in q])
    bits = ((index[..., None] >> np.arange(N)) & 1).astype(np.uint8)
    found = weights(corrector, bits)
    for row, share in zip(index, found, strict=True):
        read = np.bincount(row, minlength=8) / len(row)
        assert (read > 0).all()  # M3 knows what was seen only; here that is everything.
        corrected = np.bincount(row, weights=share, minlength=8)
        # Single precision.
        np.testing.assert_allclose(corrected, np.linalg.solve(_dense(), read), atol=2e-6)


def test_a_calibration_finds_how_qubits_are_misread():
    shots = 20_000
    circuit = qh.ansatz.hardware_efficient(N, 2)
    params = np.random.default_rng(1).uniform(-3, 3, (1, circuit.n_params))
    weigh = ReadoutMitigation(shots).calibrated(_Misreading(), circuit, seed=4)
    streams = Streams(1, 0, np.zeros(1, dtype=int), np.zeros(1, dtype=int))
    bits = _Misreading().sample(circuit, params, shots, streams)
    q = circuit.simulate(params[0]).probabilities()
    index = _samples.outcomes(bits[0])
    read = np.bincount(index, minlength=8) / shots
    corrected = np.bincount(index, weights=weigh(bits)[0], minlength=8)
    # Five standard deviations, which the correction stretches by 1/det at most.
    bound = 5 * np.sqrt(0.25 / shots) / np.prod([np.linalg.det(m) for m in _matrices()])
    assert abs(corrected - q).max() < bound
    assert abs(read - q).max() > 2 * abs(corrected - q).max()


@pytest.mark.parametrize(
    "objective", [qh.MLE(), qh.SELBO(7.0, qh.HammingKernel((1.1, 2.4)))], ids=repr
)
@pytest.mark.parametrize("kind", [ParameterShift, SPSA])
def test_corrected_gradients_are_nearer_to_the_exact_one(objective, kind):
    circuit = qh.ansatz.hardware_efficient(N, 1)
    params = np.random.default_rng(3).uniform(-2, 2, (1, circuit.n_params))
    table, prior = np.random.default_rng(6).normal(-8, 4, 8), qh.BernoulliPrior(N, 0.4)
    shots = 20_000
    case = circuit, table, prior, objective, params
    ideal = kind(shots)
    rough = kind(shots, sampler=_Misreading())
    corrected = kind(shots, sampler=_Misreading(), mitigation=ReadoutMitigation(shots))
    exact = evaluate(Exact(), *case)
    errors = [
        np.linalg.norm(
            evaluate(g, *case, seed=2).gradient - evaluate(ideal, *case, seed=2).gradient
        )
        for g in (rough, corrected)
    ]
    assert errors[1] < errors[0] / 3
    value = evaluate(corrected, *case, seed=2)
    raw = evaluate(rough, *case, seed=2)
    if kind is ParameterShift:  # SPSA's values are those of two settings nearby.
        assert abs(value.expected_nll - exact.expected_nll) < abs(
            raw.expected_nll - exact.expected_nll
        )


def test_mmd_from_two_halves_is_unbiased_and_without_correction_the_definition():
    rng = np.random.default_rng(8)
    prior = qh.BernoulliPrior(N, rng.uniform(0.2, 0.8, N))
    objective = qh.SELBO(1.0, qh.HammingKernel((0.9, 2.0)))
    term = Term(objective, Target(np.zeros(8), prior), 1.0)
    bits = rng.integers(0, 2, (10, N), dtype=np.uint8)
    shares = rng.normal(size=(2, 5))
    shares /= shares.sum(axis=1, keepdims=True)
    _, found = _samples.estimate(term, bits, lambda parts: shares)
    gram = kernel(all_bits(N), all_bits(N), objective.kernel.bandwidths)
    p = prior_probabilities(prior.p_plus)
    a, b = (
        np.bincount(_samples.outcomes(half), weights=share, minlength=8) - p
        for half, share in zip(bits.reshape(2, 5, N), shares, strict=True)
    )
    assert found == pytest.approx(a @ gram @ b, rel=1e-12)


def test_measures_of_shots_are_expectations_whatever_their_signs():
    net = qh.BinaryNetwork((2, 1))
    data = qh.datasets.moons()
    rng = np.random.default_rng(5)
    index = np.concatenate([np.arange(8), rng.integers(0, 8, 12)])
    bits = ((index[:, None] >> np.arange(N)) & 1).astype(np.uint8)
    shares = rng.dirichlet(np.ones(10), 2) * 1.2 - 0.02
    ideal = rng.dirichlet(np.ones(8))
    y = data.y_test
    values = _measured.of_shots(net, data.X_test, y, bits, ideal, lambda parts: shares)
    found = dict(zip(_measured.measures(net), values, strict=True))
    q = np.bincount(index, weights=shares.ravel() / 2, minlength=8)
    assert q.min() < 0
    p = np.tensordot(q, qh.predict(net, data.X_test, np.eye(8)).probabilities, axes=1)
    own = p[np.arange(len(y)), y]
    assert found["nll"] == pytest.approx(-np.log(own).mean(), rel=1e-12)
    assert found["accuracy"] == pytest.approx((p.argmax(axis=1) == y).mean())
    table = net.log_likelihood_table(data.X_test, y)
    assert found["expected_nll"] == pytest.approx(-(q @ table) / len(y))


def test_depolarising_noise_is_the_channel_it_says_it_is():
    rate, shots = 0.3, 40_000
    circuit = qh.Circuit(2)
    circuit.ry(0)
    circuit.cx(0, 1)
    streams = Streams(3, 0, np.zeros(1, dtype=int), np.zeros(1, dtype=int))
    bits = qh.noise.depolarizing(rate).sample(circuit, np.array([[1.1]]), shots, streams)[0]
    found = np.bincount(_samples.outcomes(bits), minlength=4) / shots
    one = np.sin(0.55) ** 2
    p = (1 - rate) * one + rate / 2  # after RY
    expected = (1 - rate) * np.array([1 - p, 0, 0, p]) + rate / 4  # after CX
    assert (abs(found - expected) < 5 * np.sqrt(expected * (1 - expected) / shots)).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ReadoutMitigation(0), "shots: expected a whole number of at least 1, got 0"),
        (lambda: qh.noise.depolarizing(-0.1), "rate: expected a finite number of at least 0"),
        (lambda: qh.noise.depolarizing(1.5), "rate: expected a number from 0 to 1, got 1.5"),
        (
            lambda: qh.noise.resilience(
                qh.ansatz.brickwork(3, 1),
                np.zeros(6),
                qh.BinaryNetwork((2, 1)),
                qh.datasets.moons(),
                [0.1],
            ),
            r"params: expected shape \(inits, 6\), got \(6,\)",
        ),
    ],
)
def test_a_bad_argument_is_named(make, message):
    with pytest.raises(ValueError, match=rf"^{message}"):
        make()


def test_without_mthree_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mthree", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'qhypernet\[mitigation\]'"):
        ReadoutMitigation().calibrated(_Misreading(), qh.ansatz.brickwork(2, 1), 0)
