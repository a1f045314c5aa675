"""Kernel and MMD against the definition on +-1 vectors."""

import os
import subprocess
import sys

import numpy as np
import pytest
from oracles import all_bits, kernel, prior_probabilities

import qhypernet as qh
from qhypernet import _core

# Means of at most a few hundred thousand numbers of at most 1.
TOLERANCE = 1e-13
# Standard errors: a normal deviate beyond five has probability 6e-7, and seeds are fixed.
SIGMAS = 5.0
BANDWIDTHS = [(1.0,), (2.5,), (1.3, 2.0, 4.5)]


def _bits(rng, rows, n, p_one=0.5):
    return (rng.random((rows, n)) < p_one).astype(np.uint8)


def _mmd2(a, b, bandwidths, unbiased):
    aa, bb, ab = (kernel(x, y, bandwidths) for x, y in ((a, a), (b, b), (a, b)))
    if unbiased:
        within = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (aa, bb)]
    else:
        within = [aa.mean(), bb.mean()]
    return sum(within) - 2 * ab.mean()


@pytest.mark.parametrize("bandwidths", BANDWIDTHS, ids=str)
@pytest.mark.parametrize("n", [1, 7, 63, 64, 65, 130, 200])
def test_kernel_matrix(n, bandwidths):
    rng = np.random.default_rng(n)
    a, b = _bits(rng, 6, n, 0.4), _bits(rng, 9, n, 0.3)
    found = qh.HammingKernel(bandwidths)(a, b)
    assert found.shape == (6, 9)
    np.testing.assert_allclose(found, kernel(a, b, bandwidths), rtol=1e-13, atol=0)


@pytest.mark.parametrize("bandwidths", BANDWIDTHS, ids=str)
@pytest.mark.parametrize(("n", "rows"), [(4, 30), (13, 300), (64, 80), (65, 80), (129, 70)])
def test_mmd2_of_two_samples(n, rows, bandwidths):
    rng = np.random.default_rng(n)
    a, b = _bits(rng, rows, n, 0.35), _bits(rng, rows + 11, n, 0.6)
    k = qh.HammingKernel(bandwidths)
    for estimator in ("biased", "unbiased"):
        expected = _mmd2(a, b, bandwidths, estimator == "unbiased")
        assert abs(qh.mmd2(a, b, k, estimator) - expected) < TOLERANCE
    assert qh.mmd2(a, b, k) == qh.mmd2(a, b, k, estimator="unbiased")
    assert qh.mmd2(a, a, k, "biased") == 0


def test_mmd2_of_more_rows_than_a_block():
    rng = np.random.default_rng(0)
    a, b = _bits(rng, 1500, 11, 0.3), _bits(rng, 1100, 11, 0.6)
    found = qh.mmd2(a, b, qh.HammingKernel(2.1))
    assert abs(found - _mmd2(a, b, (2.1,), True)) < TOLERANCE


@pytest.mark.parametrize("bandwidths", BANDWIDTHS, ids=str)
@pytest.mark.parametrize("n", [1, 3, 7])
def test_mmd2_of_probability_vectors(n, bandwidths):
    rng = np.random.default_rng(n)
    q, p = rng.dirichlet(np.full(2**n, 0.5)), rng.dirichlet(np.full(2**n, 3.0))
    bits = all_bits(n)
    expected = (q - p) @ kernel(bits, bits, bandwidths) @ (q - p)
    k = qh.HammingKernel(bandwidths)
    assert abs(qh.mmd2_exact(q, p, k) - expected) < TOLERANCE
    assert expected > 1e-3
    assert qh.mmd2_exact(q, q, k) == 0


@pytest.mark.parametrize("bandwidths", BANDWIDTHS, ids=str)
@pytest.mark.parametrize("n", [1, 5, 8])
def test_mmd2_to_a_prior_is_that_to_its_table(n, bandwidths):
    rng = np.random.default_rng(n)
    p_plus = rng.uniform(0.1, 0.9, n)
    prior, k = qh.BernoulliPrior(n, p_plus), qh.HammingKernel(bandwidths)
    a, every, p = _bits(rng, 40, n, 0.3), all_bits(n), prior_probabilities(p_plus)
    aa, ap, pp = (kernel(x, y, bandwidths) for x, y in ((a, a), (a, every), (every, every)))
    rest = p @ pp @ p - 2 * (ap @ p).mean()
    biased, unbiased = aa.mean() + rest, (aa.sum() - 40) / (40 * 39) + rest
    assert abs(qh.mmd2_to_prior(a, prior, k, "biased") - biased) < TOLERANCE
    assert abs(qh.mmd2_to_prior(a, prior, k) - unbiased) < TOLERANCE
    assert abs(biased - unbiased) > 1e-3


@pytest.mark.parametrize("bandwidths", [(9.0,), (6.0, 11.0)], ids=str)
def test_mmd2_to_a_prior_on_many_weights(bandwidths):
    # Too many outcomes for a table; the embedding is a mean of products, written out here.
    n, rng = 90, np.random.default_rng(1)
    p_plus, a = rng.uniform(0.2, 0.9, n), _bits(rng, 50, n, 0.4)
    own = np.where(a == 0, p_plus, 1 - p_plus)
    embedding, self_similarity = np.zeros(50), 0.0
    for s in bandwidths:
        e = np.exp(-2 / s**2)
        embedding += (own + e * (1 - own)).prod(axis=1) / len(bandwidths)
        same = p_plus**2 + (1 - p_plus) ** 2
        self_similarity += (same + e * (1 - same)).prod() / len(bandwidths)
    within = kernel(a, a, bandwidths)
    rest = self_similarity - 2 * embedding.mean()
    prior, k = qh.BernoulliPrior(n, p_plus), qh.HammingKernel(bandwidths)
    assert abs(qh.mmd2_to_prior(a, prior, k, "biased") - (within.mean() + rest)) < TOLERANCE
    expected = (within.sum() - 50) / (50 * 49) + rest
    assert abs(qh.mmd2_to_prior(a, prior, k) - expected) < TOLERANCE
    # Sampling the prior comes to the same, up to the error of 5000 draws of a kernel in [0, 1].
    sampled = qh.mmd2(a, prior.sample(5000, seed=3), k)
    assert abs(sampled - expected) < SIGMAS * 2 * 0.5 / np.sqrt(5000)


LEVELS = ("baseline", "avx2", "avx512")
# At every instruction set: MMDs of samples from exact counts, on long and short rows, and of
# vectors.
CODE = """
import numpy as np, qhypernet as qh
rng = np.random.default_rng(1)
k = qh.HammingKernel((1.5, 4.0))
for n in (13, 64, 70, 130):
    a = (rng.random((700, n)) < 0.4).astype(np.uint8)
    b = (rng.random((900, n)) < 0.6).astype(np.uint8)
    print(qh.mmd2(a, b, k).hex(), qh.mmd2(a, b, k, "biased").hex())
for n in (5, 13, 17):
    q, p = rng.dirichlet(np.full(2**n, 0.5)), rng.dirichlet(np.full(2**n, 3.0))
    print(qh.mmd2_exact(q, p, k).hex(), qh.mmd2_exact(q, p, qh.HammingKernel(2.0)).hex())
"""


def _at_level(level):
    environment = {**os.environ, "QHYPERNET_SIMD": level}
    command = [sys.executable, "-c", CODE]
    found = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return [float.fromhex(number) for number in found.stdout.split()]


@pytest.mark.parametrize("level", LEVELS[: LEVELS.index(_core.simd_level())])
def test_every_instruction_set_gives_the_same_mmd(level):
    best, lower = _at_level(_core.simd_level()), _at_level(level)
    assert lower[:8] == best[:8]  # Counts are exact.
    np.testing.assert_allclose(lower[8:], best[8:], rtol=1e-12)


def _draws(q, size, rng):
    n = len(q).bit_length() - 1
    return all_bits(n)[rng.choice(len(q), p=q, size=size)]


def test_unbiased_estimates_are_unbiased_and_biased_ones_are_too_large_as_they_should():
    n, repetitions, shots = 4, 4000, 3
    rng = np.random.default_rng(12)
    q, other = rng.dirichlet(np.full(16, 0.7)), rng.dirichlet(np.full(16, 0.7))
    prior = qh.BernoulliPrior(n, [0.2, 0.4, 0.7, 0.9])
    p = prior_probabilities(prior.p_plus)
    k = qh.HammingKernel((1.4, 3.0))
    gram = kernel(all_bits(n), all_bits(n), k.bandwidths)
    samples = _draws(q, (repetitions, shots), rng)
    others = _draws(other, (repetitions, 2), rng)
    excess_q, excess_other = (1 - q @ gram @ q) / shots, (1 - other @ gram @ other) / 2
    cases = [
        ([qh.mmd2_to_prior(a, prior, k) for a in samples], qh.mmd2_exact(q, p, k)),
        (
            [qh.mmd2_to_prior(a, prior, k, "biased") for a in samples],
            qh.mmd2_exact(q, p, k) + excess_q,
        ),
        (
            [qh.mmd2(a, b, k) for a, b in zip(samples, others, strict=True)],
            qh.mmd2_exact(q, other, k),
        ),
        (
            [qh.mmd2(a, b, k, "biased") for a, b in zip(samples, others, strict=True)],
            qh.mmd2_exact(q, other, k) + excess_q + excess_other,
        ),
    ]
    for estimates, expected in cases:
        bound = SIGMAS * np.std(estimates) / np.sqrt(repetitions)
        assert abs(np.mean(estimates) - expected) < bound
        assert 3 * bound < excess_q  # So the other estimator would fail.


@pytest.mark.parametrize(
    "p_plus", [[0.5] * 6, [0.2, 0.9, 0.4, 0.5, 0.7], [0.99, 0.98, 0.97], [0.5]], ids=str
)
def test_median_heuristic_is_the_median_distance_of_all_pairs(p_plus):
    n = len(p_plus)
    p = prior_probabilities(p_plus)
    bits = all_bits(n).astype(int)
    distance = (bits[:, None] != bits[None]).sum(axis=-1)
    below = [np.outer(p, p)[distance <= d].sum() for d in range(n + 1)]
    median = next(d for d in range(n + 1) if below[d] >= 0.5 - 1e-12)
    found = qh.HammingKernel.median_heuristic(qh.BernoulliPrior(n, p_plus))
    np.testing.assert_allclose(found.bandwidths, [np.sqrt(4 * max(median, 1))], rtol=1e-14)


def test_the_default_bandwidth_grows_with_the_weights():
    np.testing.assert_allclose(qh.HammingKernel.for_weights(13).bandwidths, [np.sqrt(6.5)])


def test_a_bandwidth_may_be_any_real_number():
    for value in (2, 2.0, np.float64(2.0), np.float32(2.0), np.int64(2)):
        assert qh.HammingKernel(value).bandwidths == (2.0,)


K = qh.HammingKernel(1.5)
PRIOR = qh.BernoulliPrior(2, 0.4)
BAD_KERNELS = {
    "bandwidths": [
        lambda: qh.HammingKernel(0),
        lambda: qh.HammingKernel([]),
        lambda: qh.HammingKernel([1.0, -2.0]),
        lambda: qh.HammingKernel(np.inf),
        lambda: qh.HammingKernel(np.nan),
        lambda: qh.HammingKernel("wide"),
        lambda: qh.HammingKernel(None),
    ],
    "bits_a": [lambda: K([[0, 2]], [[0, 1]]), lambda: K([[0.0, 1.0]], [[0, 1]])],
    "bits_b": [lambda: K([[0, 1]], [[0, 1, 1]])],
    "bits_q": [
        lambda: qh.mmd2([[0, 1]], [[0, 1], [1, 1]], K),
        lambda: qh.mmd2(np.zeros((0, 2), int), [[0, 1], [1, 1]], K, "biased"),
        lambda: qh.mmd2_to_prior([[0, 1]], PRIOR, K),
        lambda: qh.mmd2_to_prior([[0, 1, 1], [0, 0, 1]], PRIOR, K),
    ],
    "bits_p": [lambda: qh.mmd2([[0, 1], [1, 1]], [[0, 1]], K)],
    "estimator": [lambda: qh.mmd2([[0, 1]], [[0, 1]], K, "umbiased")],
    "q": [
        lambda: qh.mmd2_exact([1.2, -0.2], [0.5, 0.5], K),
        lambda: qh.mmd2_exact([0.5, 0.6], [0.5, 0.5], K),
        lambda: qh.mmd2_exact([np.nan, 1.0], [0.5, 0.5], K),
        lambda: qh.mmd2_exact([0.2, 0.3, 0.5], [0.2, 0.3, 0.5], K),
        lambda: qh.mmd2_exact([[0.2, 0.3], [0.4, 0.1]], [0.25] * 4, K),
        lambda: qh.mmd2_exact([], [], K),
        lambda: qh.mmd2_exact(np.array([1.2, -0.2]), np.array([0.5, 0.5]), K),
        lambda: qh.mmd2_exact(np.array([0.5, 0.6]), np.array([0.5, 0.5]), K),
        lambda: qh.mmd2_exact(np.array([np.nan, 1.0]), np.array([0.5, 0.5]), K),
        lambda: qh.mmd2_exact(np.array([0.2, 0.3, 0.5]), np.array([0.2, 0.3, 0.5]), K),
        lambda: qh.mmd2_exact(np.array([]), np.array([]), K),
    ],
    "p": [
        lambda: qh.mmd2_exact([0.5, 0.5], [1.2, -0.2], K),
        lambda: qh.mmd2_exact([0.5, 0.5], [0.25] * 4, K),
        lambda: qh.mmd2_exact(np.array([0.5, 0.5]), np.array([1.2, -0.2]), K),
        lambda: qh.mmd2_exact(np.array([0.5, 0.5]), np.full((2, 2), 0.25), K),
    ],
    "p_plus": [
        lambda: qh.BernoulliPrior(2, 1.0),
        lambda: qh.BernoulliPrior(2, [0.5, 0.0]),
        lambda: qh.BernoulliPrior(2, -0.2),
        lambda: qh.BernoulliPrior(2, np.nan),
        lambda: qh.BernoulliPrior(2, [0.1, 0.2, 0.3]),
    ],
    "n": [lambda: qh.BernoulliPrior(0), lambda: qh.BernoulliPrior(1.5)],
}


@pytest.mark.parametrize(
    ("argument", "call"), [(name, call) for name, calls in BAD_KERNELS.items() for call in calls]
)
def test_a_bad_argument_is_named(argument, call):
    with pytest.raises((ValueError, TypeError), match=rf"^{argument}: expected .*, got "):
        call()


def test_a_kernel_of_another_kind_is_not_ignored() -> None:
    with pytest.raises(TypeError, match=r"^Mine: expected no kernel derived from HammingKernel"):
        type("Mine", (qh.HammingKernel,), {"__call__": lambda *_: 1.0})
