"""The paper's three two-dimensional data sets, Gaussian blobs, moons and rings, and a curve.

Training and test points come from two separate random streams of the seed: asking for more
training points does not draw other test points (they are only standardised differently).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qhypernet import _check
from qhypernet.datasets._dataset import Dataset, Features, Labels, standardise

# A test accuracy near 0.85 then has a standard error of 0.011.
N_TEST = 1000

# Section 8 of the design's mathematics: the data of Carrasquilla et al. 2023.
BLOB_CENTRES = (((-1.0, -2.0),), ((-2.0, 1.0), (1.0, 1.0), (2.0, -2.0)))
BLOB_VARIANCE = 0.1


def gaussian(n_samples: int = 200, seed: int = 0) -> Dataset:
    """Two-dimensional Gaussian blobs: one of class 0 against three of class 1.

    Class 0 is a blob at (-1, -2), class 1 has equal parts at (-2, 1), (1, 1) and (2, -2), all
    with covariance 0.1 * identity (Carrasquilla et al. 2023, arXiv 2301.08292). The classes have
    equally many points, one more of class 0 if the number is odd. Standardised by the training
    part.

    Args:
        n_samples: number of training points, at least 2; 1000 test points come on top.
        seed: 0 <= seed < 2**64.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> data = gaussian(n_samples=100, seed=1)
        >>> data.X_train.shape, data.X_test.shape, data.y_train.sum()
        ((100, 2), (1000, 2), np.int64(50))
    """
    return _synthetic("gaussian", draw_blobs, n_samples, seed)


def moons(n_samples: int = 200, seed: int = 0, noise: float = 0.1) -> Dataset:
    """Two interleaving half circles (scikit-learn's ``make_moons``), standardised.

    Args:
        n_samples: number of training points, at least 2; 1000 test points come on top.
        seed: 0 <= seed < 2**64.
        noise: standard deviation of the Gaussian noise, in radii of the circles.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> moons().class_names
        ('upper moon', 'lower moon')
    """
    noise = _check.number("noise", noise, minimum=0)

    def draw(n: int, generator: np.random.RandomState) -> tuple[Features, Labels]:
        first, second = (np.linspace(0, np.pi, m) for m in (n // 2, n - n // 2))
        upper = np.column_stack([np.cos(first), np.sin(first)])
        lower = np.column_stack([1 - np.cos(second), 1 - np.sin(second) - 0.5])
        return _shuffled(upper, lower, noise, generator)

    return _synthetic("moons", draw, n_samples, seed, ("upper moon", "lower moon"))


def rings(n_samples: int = 200, seed: int = 0, noise: float = 0.1) -> Dataset:
    """Two concentric circles, radii 1 and 0.5 (scikit-learn's ``make_circles``), standardised.

    Args:
        n_samples: number of training points, at least 2; 1000 test points come on top.
        seed: 0 <= seed < 2**64.
        noise: standard deviation of the Gaussian noise, in radii of the outer circle.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> rings(n_samples=100).class_names
        ('outer ring', 'inner ring')
    """
    noise = _check.number("noise", noise, minimum=0)

    def draw(n: int, generator: np.random.RandomState) -> tuple[Features, Labels]:
        counts = n // 2, n - n // 2
        first, second = (np.linspace(0, 2 * np.pi, m, endpoint=False) for m in counts)
        outer = np.column_stack([np.cos(first), np.sin(first)])
        inner = np.column_stack([np.cos(second) * 0.5, np.sin(second) * 0.5])
        return _shuffled(outer, inner, noise, generator)

    return _synthetic("rings", draw, n_samples, seed, ("outer ring", "inner ring"))


def wave(n_samples: int = 200, seed: int = 0, noise: float = 0.1) -> Dataset:
    """A wave on a slope for regression: ``y = cos(x) + x / 2`` plus noise, x uniform in [-pi, pi].

    Both are standardised by the training part.

    Args:
        n_samples: number of training points, at least 2; 1000 test points come on top.
        seed: 0 <= seed < 2**64.
        noise: standard deviation of the Gaussian noise of y, before it is standardised.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> data = wave(n_samples=100)
        >>> data.X_train.shape, data.y_train.dtype, data.n_classes
        ((100, 1), dtype('float64'), 0)
    """
    noise = _check.number("noise", noise, minimum=0)
    n_samples = _check.integer("n_samples", n_samples, 2)
    parts = []
    for n, generator in zip((n_samples, N_TEST), _generators(seed), strict=True):
        x = generator.uniform(-np.pi, np.pi, size=(n, 1))
        parts.append((x, (np.cos(x) + x / 2)[:, 0] + noise * generator.standard_normal(n)))
    (X_train, y_train), (X_test, y_test) = parts
    X_train, X_test = standardise(X_train, X_test)
    y_train, y_test = standardise(y_train, y_test)
    return Dataset("wave", X_train, y_train, X_test, y_test, ("x",), ())


def _shuffled(
    class_0: Features, class_1: Features, noise: float, generator: np.random.RandomState
) -> tuple[Features, Labels]:
    """Points of two classes in random order and then with noise: scikit-learn's draws, bit for bit,
    without the time that importing it takes."""
    X = np.concatenate([class_0, class_1])
    y = np.repeat(np.array([0, 1]), [len(class_0), len(class_1)])
    order = np.arange(len(X))
    generator.shuffle(order)
    X = X[order]
    return X + generator.normal(scale=noise, size=X.shape), y[order]


def draw_blobs(n: int, generator: np.random.RandomState) -> tuple[Features, Labels]:
    """Draw ``n`` points of the Gaussian blobs, not standardised, in random order."""
    position = np.arange(n)
    y = position % 2
    centres_0, centres_1 = (np.array(centres) for centres in BLOB_CENTRES)
    # Every second point is of class 1; those go round the three blobs in turn.
    centre = np.where((y == 1)[:, None], centres_1[position // 2 % 3], centres_0[0])
    X = centre + np.sqrt(BLOB_VARIANCE) * generator.standard_normal((n, 2))
    order = generator.permutation(n)
    return X[order], y[order].astype(np.int64)


def _synthetic(
    name: str,
    draw: Callable[[int, np.random.RandomState], tuple[Features, Labels]],
    n_samples: int,
    seed: int,
    class_names: tuple[str, ...] = ("class 0", "class 1"),
) -> Dataset:
    n_samples = _check.integer("n_samples", n_samples, 2)
    train, test = _generators(seed)
    X_train, y_train = draw(n_samples, train)
    X_test, y_test = draw(N_TEST, test)
    X_train, X_test = standardise(X_train, X_test)
    return Dataset(name, X_train, y_train, X_test, y_test, ("x1", "x2"), class_names)


def _generators(seed: int) -> list[np.random.RandomState]:
    """One for the training part and one for the test part."""
    # scikit-learn takes the legacy RandomState only; MT19937 below it takes the whole 64-bit seed.
    return [
        np.random.RandomState(np.random.MT19937(sequence))
        for sequence in np.random.SeedSequence(_check.seed(seed)).spawn(2)
    ]
