"""The logistic baseline against scikit-learn's."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from qhypernet import logistic

# Both stop at a gradient of 1e-8, where the penalty curves the loss by at least 1 in every weight;
# the few points that stay unsure move by about as much.
TOLERANCE = 1e-6


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_equals_scikit_learn(n_classes):
    rng = np.random.default_rng(n_classes)
    X = rng.normal(size=(150, 4)) * [1.0, 3.0, 0.2, 1.0] + [0.0, 2.0, 0.0, -1.0]
    y = (np.digitize(X[:, 0] + rng.normal(size=150), np.linspace(-1, 1, n_classes - 1))).astype(int)
    model = LogisticRegression(max_iter=10_000, tol=1e-10).fit(X[:100], y[:100])
    found = logistic.fit_predict(X[:100], y[:100], X[100:])
    np.testing.assert_allclose(found, model.predict_proba(X[100:]), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_classes_that_a_line_separates_are_no_problem(scale):
    X = scale * np.array([[-2.0], [-1.0], [1.0], [2.0]])
    p = logistic.fit_predict(X, np.array([0, 0, 1, 1]), X)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-14)
    assert (np.diff(p[:, 1]) > 0).all() or scale == 1e3  # There all are as good as sure.
    np.testing.assert_allclose(p[:2, 0], p[:1:-1, 1], rtol=1e-9)
