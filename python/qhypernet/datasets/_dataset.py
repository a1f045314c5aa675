"""The container that every data set comes in, and the two steps that all of them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhypernet import _check

Features = NDArray[np.float64]
Labels = NDArray[np.int64]
Targets = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set, split into a training and a test part.

    Attributes:
        name: what it is called in reports.
        X_train: features, float64, shape ``(D, d)``; dimensionless (standardised, or scaled to
            [-1, 1] for images).
        y_train: class indices ``0..K-1``, int64, or for regression targets, float64, in units of
            the training targets' standard deviation; shape ``(D,)``.
        X_test: features of the test part, ``(D_test, d)``.
        y_test: its classes or targets, ``(D_test,)``.
        feature_names: ``d`` names, one a column of ``X_train``.
        class_names: ``K`` names; class index ``k`` is called ``class_names[k]``. None for
            regression.
        image_shape: ``(rows, columns)`` with ``rows * columns == d`` if the features are the
            pixels of an image in row-major order, else None.
        target_name: what is predicted, where it is a quantity.

    Example:
        >>> from qhypernet.datasets import moons
        >>> data = moons(n_samples=50)
        >>> data.X_train.shape, data.n_features, data.n_classes
        ((50, 2), 2, 2)
    """

    name: str
    X_train: Features
    y_train: NDArray[Any]
    X_test: Features
    y_test: NDArray[Any]
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    image_shape: tuple[int, int] | None = None
    target_name: str = "y"

    @property
    def n_features(self) -> int:
        """Number of features, d."""
        return len(self.feature_names)

    @property
    def n_classes(self) -> int:
        """Number of classes, K; 0 for regression."""
        return len(self.class_names)


def standardise(X_train: Features, X_test: Features) -> tuple[Features, Features]:
    """Shift and scale both parts by the training part's mean and standard deviation, per column.

    The test part takes no part in the statistics: using it would leak test data into training.
    A column that is constant in the training part is shifted only.
    """
    mean = X_train.mean(axis=0)
    # Not std == 0: the mean of equal numbers is rounded, so their std can come out as 1e-17.
    constant = X_train.max(axis=0) == X_train.min(axis=0)
    scale = np.where(constant, 1.0, X_train.std(axis=0))
    return (X_train - mean) / scale, (X_test - mean) / scale


def stratified_split(
    X: Features, y: Labels, test_fraction: float, seed: int
) -> tuple[Features, Features, Labels, Labels]:
    """Split into ``X_train, X_test, y_train, y_test``, with the class shares kept in both parts.

    scikit-learn's ``train_test_split`` with ``random_state = seed``, see :func:`random_state`.

    Raises:
        ValueError: if the test fraction leaves a part without room for every class.
    """
    from sklearn.model_selection import train_test_split

    test_fraction = _check.number("test_fraction", test_fraction, above=0, below=1)
    n_classes = len(np.unique(y))
    n_test = int(np.ceil(test_fraction * len(y)))  # scikit-learn's own rounding
    if n_test < n_classes or len(y) - n_test < n_classes:
        raise ValueError(
            f"test_fraction={test_fraction} splits {len(y)} rows into {len(y) - n_test} for "
            f"training and {n_test} for testing, but each part needs a row of each of the "
            f"{n_classes} classes"
        )
    parts: Any = train_test_split(
        X, y, test_size=test_fraction, stratify=y, random_state=random_state(seed)
    )
    X_train, X_test, y_train, y_test = parts
    if len(np.unique(y_train)) < n_classes:
        raise ValueError(
            f"test_fraction={test_fraction} leaves no training row of a rare class; "
            "lower it or give more rows of that class"
        )
    return X_train, X_test, y_train, y_test


def regression_split(
    X: Features, y: Targets, test_fraction: float, seed: int
) -> tuple[Features, Features, Targets, Targets]:
    """Split into ``X_train, X_test, y_train, y_test`` at random, and standardise both.

    Raises:
        ValueError: if the test fraction leaves fewer than two rows to train on, or none to test.
    """
    from sklearn.model_selection import train_test_split

    test_fraction = _check.number("test_fraction", test_fraction, above=0, below=1)
    n_test = int(np.ceil(test_fraction * len(y)))  # scikit-learn's own rounding
    if len(y) - n_test < 2:
        raise ValueError(
            f"test_fraction={test_fraction} splits {len(y)} rows into {len(y) - n_test} for "
            f"training and {n_test} for testing, but training needs two"
        )
    parts: Any = train_test_split(X, y, test_size=test_fraction, random_state=random_state(seed))
    X_train, X_test, y_train, y_test = parts
    return *standardise(X_train, X_test), *standardise(y_train, y_test)


def random_state(seed: int) -> int:
    """Return the scikit-learn ``random_state`` for a seed.

    scikit-learn takes seeds below 2**32 only. Those pass unchanged, so that ``seed=0`` is
    ``random_state=0``; larger ones are hashed to 32 bits by NumPy's ``SeedSequence``.
    """
    seed = _check.seed(seed)
    return seed if seed < 2**32 else int(np.random.SeedSequence(seed).generate_state(1)[0])
