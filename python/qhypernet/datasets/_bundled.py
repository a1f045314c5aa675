"""Two real data sets that scikit-learn carries with it, cut to what an exact posterior can hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qhypernet import _check
from qhypernet.datasets._dataset import Dataset, Features, standardise, stratified_split

N_CANCER_FEATURES = 30


def digits(
    classes: Sequence[int] = (0, 1),
    seed: int = 0,
    test_fraction: float = 0.3,
    n_features: int | None = None,
) -> Dataset:
    """Handwritten digits of 4 x 4 pixels in [-1, 1].

    scikit-learn's bundled digits (8 x 8 pixels, 0 to 16), pooled by the mean of each 2 x 2 block,
    16 pixel features in row-major order, scaled from [0, 16] to [-1, 1]; stratified split. A weight
    for each pixel and each of three classes is more than an exact posterior can hold: leading
    principal components of the standardised pixels, themselves standardised, stand for them then,
    all by the training part.

    Args:
        classes: two or more different digits; a digit's place here is its class index.
        seed: 0 <= seed < 2**64; the split's ``random_state`` (hashed to 32 bits from 2**32 on).
        test_fraction: share of the images kept for testing.
        n_features: how many principal components, 1 to 16; None is the pixels themselves.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> data = digits(classes=(3, 8))
        >>> data.X_train.shape, data.image_shape, data.class_names
        ((249, 16), (4, 4), ('3', '8'))
        >>> digits(classes=(0, 1, 2), n_features=4).X_train.shape
        (375, 4)
    """
    from sklearn.datasets import load_digits

    chosen = [_check.integer("classes", digit, 0, 9) for digit in classes]
    if len(chosen) < 2 or len(set(chosen)) < len(chosen):
        raise ValueError(f"classes must be two or more different digits, got {tuple(classes)!r}")
    bundle = load_digits()
    index_of = np.full(10, -1, dtype=np.int64)
    index_of[chosen] = np.arange(len(chosen))
    y = index_of[bundle.target]
    pooled = bundle.images.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16)
    X_train, X_test, y_train, y_test = stratified_split(
        pooled[y >= 0] / 8.0 - 1.0, y[y >= 0], test_fraction, seed
    )
    class_names = tuple(str(digit) for digit in chosen)
    if n_features is not None:
        n_features = _check.integer("n_features", n_features, 1, 16)
        X_train, X_test = standardise(X_train, X_test)
        axes = _principal_axes(X_train)[:n_features]
        X_train, X_test = standardise(X_train @ axes.T, X_test @ axes.T)
        names = tuple(f"component {i + 1}" for i in range(n_features))
        return Dataset("digits", X_train, y_train, X_test, y_test, names, class_names)
    return Dataset(
        "digits",
        X_train,
        y_train,
        X_test,
        y_test,
        tuple(f"pixel {row},{column}" for row in range(4) for column in range(4)),
        class_names,
        image_shape=(4, 4),
    )


def _principal_axes(X: Features) -> Features:
    """Eigenvectors of the covariance of standardised features as rows, the largest variance first,
    each with its largest entry positive."""
    # Sums in an order of their own: those of BLAS can depend on its number of threads.
    _, vectors = np.linalg.eigh(np.einsum("di,dj->ij", X, X))
    axes = vectors.T[::-1]
    largest = np.abs(axes).argmax(axis=1)
    return np.asarray(axes * np.sign(axes[np.arange(len(axes)), largest])[:, None])


def breast_cancer(seed: int = 0, test_fraction: float = 0.3, n_features: int = 8) -> Dataset:
    """Benign and malignant tumours from cell measurements, standardised; stratified split.

    scikit-learn's bundled Wisconsin diagnostic data: 569 rows, 30 features. A weight for each of
    30 features is more than an exact posterior over all weights can hold, so only the
    ``n_features`` with the largest one-way ANOVA F value between the classes are kept, in their
    original order. F is computed on the training part alone: the test part does not choose.

    Args:
        seed: 0 <= seed < 2**64; the split's ``random_state`` (hashed to 32 bits from 2**32 on).
        test_fraction: share of the rows kept for testing.
        n_features: how many features are kept, 1 to 30.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> data = breast_cancer()
        >>> data.X_train.shape, data.class_names
        ((398, 8), ('malignant', 'benign'))
    """
    from sklearn.datasets import load_breast_cancer
    from sklearn.feature_selection import SelectKBest, f_classif

    n_features = _check.integer("n_features", n_features, 1, N_CANCER_FEATURES)
    bundle = load_breast_cancer()
    X_train, X_test, y_train, y_test = stratified_split(
        bundle.data, bundle.target.astype(np.int64), test_fraction, seed
    )
    kept = SelectKBest(f_classif, k=n_features).fit(X_train, y_train).get_support()
    X_train, X_test = standardise(X_train[:, kept], X_test[:, kept])
    return Dataset(
        "breast_cancer",
        X_train,
        y_train,
        X_test,
        y_test,
        tuple(str(name) for name in bundle.feature_names[kept]),
        tuple(str(name) for name in bundle.target_names),
    )
