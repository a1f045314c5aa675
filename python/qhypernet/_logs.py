"""Logarithms of probabilities, without the time that importing scipy.special takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def entropy_terms(p: Floats) -> Floats:
    """``p log p``, 0 where p is 0."""
    positive = np.where(p > 0, p, 1.0)
    return np.asarray(p * np.log(positive))


def log_sum_exp(values: Floats) -> float:
    """``log(sum(exp(values)))`` without overflow."""
    largest = float(values.max())
    return largest + float(np.log(np.exp(values - largest).sum()))
