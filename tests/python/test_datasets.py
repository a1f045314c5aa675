"""Data sets against independent constructions: known moments, scikit-learn's own arrays, files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, make_circles, make_moons
from sklearn.model_selection import train_test_split

from qhypernet import datasets
from qhypernet.datasets import Dataset
from qhypernet.datasets._dataset import random_state, standardise
from qhypernet.datasets._synthetic import draw_blobs

SYNTHETIC = ("gaussian", "moons", "rings")


def assert_well_formed(data: Dataset) -> None:
    for X, y in ((data.X_train, data.y_train), (data.X_test, data.y_test)):
        assert X.shape == (len(y), data.n_features)
        assert X.dtype == np.float64
        assert np.isfinite(X).all()
        if data.n_classes:
            assert y.dtype == np.int64
            assert set(np.unique(y)) == set(range(data.n_classes))
        else:
            assert y.dtype == np.float64
            assert np.isfinite(y).all()


@pytest.mark.parametrize("name", datasets.names())
def test_every_named_dataset_is_well_formed_and_repeatable(name: str) -> None:
    data, again, other = (datasets.load(name, seed=seed) for seed in (3, 3, 2**64 - 1))
    assert_well_formed(data)
    assert_well_formed(other)
    assert data.name == name
    for part in ("X_train", "y_train", "X_test", "y_test"):
        np.testing.assert_array_equal(getattr(data, part), getattr(again, part))
    assert data.X_train.shape != other.X_train.shape or np.any(data.X_train != other.X_train)


@pytest.mark.parametrize("name", ["gaussian", "moons", "rings", "wave", "breast_cancer"])
def test_standardised_by_the_training_part_only(name: str) -> None:
    data = datasets.load(name, seed=5)
    np.testing.assert_allclose(data.X_train.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(data.X_train.std(axis=0), 1, rtol=1e-12)
    assert np.all(np.abs(data.X_test.mean(axis=0)) > 1e-6)  # else the test part took part


def test_standardise_leaves_a_constant_column_finite() -> None:
    train = np.column_stack([np.full(7, 0.1), np.arange(7.0)])
    test = np.array([[0.3, 3.0]])
    X_train, X_test = standardise(train, test)
    np.testing.assert_allclose(X_train[:, 0], 0, atol=1e-15)
    np.testing.assert_allclose(X_test, [[0.2, 0.0]], atol=1e-15)


def test_blobs_have_the_papers_centres_and_covariance() -> None:
    n = 24_000
    X, y = draw_blobs(n, np.random.RandomState(7))
    assert np.bincount(y).tolist() == [n // 2, n // 2]
    for label, centre, share in (
        (0, (-1, -2), 1 / 2),
        (1, (-2, 1), 1 / 6),
        (1, (1, 1), 1 / 6),
        (1, (2, -2), 1 / 6),
    ):
        # The centres are 3 or more apart, over 4.7 standard deviations to half way.
        near = (y == label) & (np.hypot(*(X - centre).T) < 1.5)
        m = int(near.sum())
        assert abs(m - share * n) <= 5  # at most a few strays beyond the radius
        bound = 5 * np.sqrt(0.1 / m)  # five standard errors of a mean
        np.testing.assert_allclose(X[near].mean(axis=0), centre, atol=bound)
        # Standard error of a variance: 0.1 * sqrt(2/m); of a zero covariance: 0.1 / sqrt(m).
        np.testing.assert_allclose(
            np.cov(X[near].T), 0.1 * np.eye(2), atol=5 * 0.1 * np.sqrt(2 / m)
        )


@pytest.mark.parametrize("n_samples", [3, 200])
def test_moons_and_rings_are_those_of_scikit_learn(n_samples: int) -> None:
    sequence = np.random.SeedSequence(7).spawn(2)[0]
    for found, make, options in [
        (datasets.moons(n_samples, seed=7, noise=0.2), make_moons, {}),
        (datasets.rings(n_samples, seed=7, noise=0.2), make_circles, {"factor": 0.5}),
    ]:
        generator = np.random.RandomState(np.random.MT19937(sequence))
        X, y = make(n_samples, noise=0.2, random_state=generator, **options)
        np.testing.assert_array_equal(found.X_train, (X - X.mean(axis=0)) / X.std(axis=0))
        np.testing.assert_array_equal(found.y_train, y)


@pytest.mark.parametrize(("name", "radius"), [("rings", (1.0, 0.5)), ("moons", (1.0, 1.0))])
def test_rings_and_moons_lie_on_their_circles(name: str, radius: tuple[float, float]) -> None:
    data = getattr(datasets, name)(n_samples=400, seed=1, noise=0.0)
    # Standardising is affine and each circle's axes are the coordinate axes: undo it by matching
    # the test part's range, which is known without noise (500 points a circle: to 1e-4).
    low, high = {"rings": ((-1, -1), (1, 1)), "moons": ((-1, -0.5), (2, 1))}[name]
    least, most = data.X_test.min(axis=0), data.X_test.max(axis=0)
    X = (data.X_test - least) / (most - least) * np.subtract(high, low) + low
    for label in (0, 1):
        centre = (1.0, 0.5) if (name, label) == ("moons", 1) else (0.0, 0.0)
        distance = np.hypot(*(X[data.y_test == label] - centre).T)
        np.testing.assert_allclose(distance, radius[label], atol=1e-3)


@pytest.mark.parametrize("name", SYNTHETIC)
def test_n_samples_counts_training_points_and_leaves_the_test_draw(name: str) -> None:
    small, large = (datasets.load(name, n_samples=n, seed=2) for n in (31, 200))
    assert len(small.X_train) == 31
    assert len(small.X_test) == len(large.X_test) == 1000
    assert abs(np.diff(np.bincount(small.y_train))[0]) <= 1
    np.testing.assert_array_equal(small.y_test, large.y_test)
    for j in range(2):  # one affine map apart
        correlation = np.corrcoef(small.X_test[:, j], large.X_test[:, j])[0, 1]
        assert correlation == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("name", SYNTHETIC)
def test_training_and_test_points_are_different_draws(name: str) -> None:
    data = datasets.load(name, n_samples=1000)  # as many as test points: one stream would show
    for j in range(2):
        pair = np.sort(data.X_train[:, j]), np.sort(data.X_test[:, j])
        assert np.abs(pair[0] - pair[1]).max() > 1e-3


def test_large_seeds_differ_in_every_bit() -> None:
    first, second = (datasets.moons(seed=seed).X_train for seed in (1, 1 + 2**63))
    assert np.any(first != second)
    assert random_state(2**32 - 1) == 2**32 - 1
    assert 0 <= random_state(2**32) < 2**32
    assert random_state(2**32) != random_state(2**33)


@pytest.mark.parametrize("classes", [(0, 1), (8, 3), (1, 4, 7)])
def test_digits_pool_scale_and_split_as_scikit_learn_does(classes: tuple[int, ...]) -> None:
    data = datasets.digits(classes, seed=0)
    bundle = load_digits()
    rows, labels = [], []
    for image, digit in zip(bundle.images, bundle.target, strict=True):
        if digit in classes:
            rows.append(
                [
                    sum(image[2 * r + a, 2 * c + b] for a in (0, 1) for b in (0, 1)) / 4 / 16 * 2
                    - 1
                    for r in range(4)
                    for c in range(4)
                ]
            )
            labels.append(classes.index(digit))
    parts = train_test_split(
        np.array(rows), np.array(labels), test_size=0.3, stratify=labels, random_state=0
    )
    for ours, expected in zip(
        (data.X_train, data.X_test, data.y_train, data.y_test), parts, strict=True
    ):
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-15)
    assert data.class_names == tuple(str(digit) for digit in classes)
    assert data.image_shape == (4, 4)
    assert data.X_train.min() >= -1
    assert data.X_train.max() <= 1


def test_breast_cancer_keeps_the_features_with_the_largest_f_on_the_training_part() -> None:
    # With this seed the training part, the test part and all rows choose three different sets.
    data = datasets.breast_cancer(seed=4)
    bundle = load_breast_cancer()
    X_train, _, y_train, _ = train_test_split(
        bundle.data, bundle.target, test_size=0.3, stratify=bundle.target, random_state=4
    )
    # F of two groups from its definition: squared mean difference over pooled variance.
    groups = [X_train[y_train == k] for k in (0, 1)]
    pooled = sum(((g - g.mean(axis=0)) ** 2).sum(axis=0) for g in groups)
    f = (groups[0].mean(axis=0) - groups[1].mean(axis=0)) ** 2 / pooled
    best = sorted(np.argsort(f)[-8:])
    assert data.feature_names == tuple(str(bundle.feature_names[j]) for j in best)
    correlation = np.corrcoef(data.X_train[:, 2], X_train[:, best[2]])[0, 1]
    assert correlation == pytest.approx(1, abs=1e-12)


def test_importing_loads_no_heavy_package() -> None:
    code = (
        "import sys, qhypernet.datasets as d;"
        "print([m for m in ('sklearn', 'pandas', 'scipy') if m in sys.modules])"
    )
    root = Path(datasets.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    # The package around it may import scipy one day; data sets themselves must not.
    assert "sklearn" not in done.stdout
    assert "pandas" not in done.stdout


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: datasets.moons(n_samples=1),
            "n_samples: expected a whole number of at least 2, got 1",
        ),
        (
            lambda: datasets.gaussian(seed=-1),
            "seed: expected a whole number from 0 to 18446744073709551615, got -1",
        ),
        (lambda: datasets.digits(seed=2**64), "seed: expected"),
        (
            lambda: datasets.rings(noise=-0.1),
            "noise: expected a finite number of at least 0, got -0.1",
        ),
        (lambda: datasets.digits((3,)), "classes must be two or more different digits"),
        (lambda: datasets.digits((3, 3)), "classes must be two or more different digits"),
        (lambda: datasets.digits((3, 10)), "classes: expected a whole number from 0 to 9, got 10"),
        (
            lambda: datasets.digits(test_fraction=1.0),
            "test_fraction: expected .* above 0 and below 1, got 1.0",
        ),
        (lambda: datasets.digits(test_fraction=1e-9), "test_fraction=1e-09 splits 360 rows"),
        (
            lambda: datasets.breast_cancer(n_features=31),
            "n_features: expected a whole number from 1 to 30, got 31",
        ),
        (lambda: datasets.load("mons"), "data: .* got 'mons' .did you mean 'moons'"),
        (lambda: datasets.load("Digits"), "did you mean 'digits'"),
        (lambda: datasets.load("no/such.csv", target="a"), "no/such.csv does not exist"),
        (
            lambda: datasets.load("moons", classes=(0, 1)),
            r"classes=\(0, 1\) has no meaning .*moons",
        ),
        (lambda: datasets.load("digits", n_samples=9), "n_samples=9 has no meaning"),
        (lambda: datasets.load("breast_cancer", target="x"), "target='x' has no meaning"),
        (lambda: datasets.load("some.csv", n_samples=9), "n_samples=9 has no meaning"),
    ],
)
def test_bad_arguments_are_named(call: Callable[[], Dataset], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_a_number_that_is_none_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"n_samples: expected .* got '9'"):
        datasets.moons(n_samples="9")  # type: ignore[arg-type]
