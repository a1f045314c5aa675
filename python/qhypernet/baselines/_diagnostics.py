"""Have Markov chains converged, and how many independent draws are they worth?"""

from __future__ import annotations

import numpy as np

from qhypernet.baselines._base import Floats


def r_hat(chains: Floats) -> float:
    """Split R-hat of chains (b, S): near 1 if all agree (Gelman et al. 2013, BDA3, section 11.4).

    Each chain is cut into halves; ``sqrt(((L - 1) / L W + B / L) / W)`` with L the halves' length,
    W the mean variance inside halves and B / L the variance of their means. 1 if nothing ever
    moves, infinite if chains stand still in different places, NaN without chains of four draws.
    """
    length = chains.shape[1] // 2
    if length < 2 or not len(chains):
        return float("nan")
    halves = np.concatenate([chains[:, :length], chains[:, -length:]])
    within = halves.var(axis=1, ddof=1).mean()
    between = halves.mean(axis=1).var(ddof=1)
    if within == 0:
        return 1.0 if between == 0 else float("inf")
    return float(np.sqrt((length - 1) / length + between / within))


def effective_sample_size(chains: Floats) -> Floats:
    """How many independent draws the mean of each chain (b, S) is worth, shape (b,).

    ``S / (1 + 2 sum of autocorrelations)``, summed in pairs as long as these are positive, none
    above the one before (Geyer 1992, "Practical Markov chain Monte Carlo"). NaN for a chain that
    never moves.
    """
    size = chains.shape[1]
    centred = chains - chains.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centred, 2 * size, axis=1)
    covariance = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :size] / size
    found = np.full(len(chains), np.nan)
    for row, c in enumerate(covariance):
        if np.ptp(chains[row]) == 0:
            continue
        pairs = (c / c[0])[: size // 2 * 2].reshape(-1, 2).sum(axis=1)
        end = np.argmax(pairs <= 0) if (pairs <= 0).any() else len(pairs)
        # The first pair is 1 + the first autocorrelation, of which 1 is counted once only.
        time = 2 * np.minimum.accumulate(pairs[:end]).sum() - 1
        # At most S log10 S, as an alternating chain has (Vehtari et al. 2021, arXiv 1903.08008).
        found[row] = size / max(time, 1 / np.log10(max(size, 10)))
    return found
