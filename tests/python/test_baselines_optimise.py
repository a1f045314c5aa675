"""Descent on many initialisations at once."""

import numpy as np

from qhypernet.baselines._optimise import Step, descend


class _Plain:
    """Gradient descent without a memory, so that a failure is not remembered by its state."""

    def start(self, params):
        return {}

    def step(self, params, gradient, state, step, n_steps):
        return params - 0.1 * gradient, state


def _descend(broken, n_steps=5, **options):
    """Halved squares of four rows; ``broken`` changes cost and gradient of a step in place."""
    start = np.arange(1.0, 9.0).reshape(4, 2)

    def evaluate(params, step):
        cost, gradient = (params**2).sum(axis=1) / 2, params.copy()
        broken(step, cost, gradient)
        return Step(cost, np.full(4, 0.25), gradient)

    return start, descend(evaluate, start, _Plain(), n_steps, **options)


def test_rows_that_fail_once_stay_where_they_were():
    def broken(step, cost, gradient):
        if step == 1:
            gradient[0, 1] = np.nan  # the parameters are lost
        if step == 2:
            cost[2] = np.inf  # the cost is, though no parameter
        if step == 3:
            gradient[3] = -np.inf

    start, end = _descend(broken)
    assert end.failed.tolist() == [True, False, True, True]
    done = np.array([1, 5, 2, 3])  # steps that count
    np.testing.assert_allclose(end.params, start * 0.9 ** done[:, None])
    for row in range(4):
        costs = (start[row] ** 2).sum() / 2 * 0.81 ** np.arange(5)
        costs[done[row] :] = np.nan
        np.testing.assert_allclose(end.history["expected_nll"][row], costs)
        np.testing.assert_allclose(end.history["objective"][row], costs + 0.25)
        np.testing.assert_allclose(end.history["gradient_norm"][row], np.sqrt(2 * costs))
        finite = np.where(np.isnan(costs), np.nan, 0.25)
        np.testing.assert_allclose(end.history["regularizer"][row], finite)


def test_parameters_are_brought_back_after_each_step():
    seen = []

    def project(params):
        seen.append(params.copy())
        return np.maximum(params, 2.0)

    _, end = _descend(lambda *parts: None, n_steps=2, project=project)
    assert end.params.min() == 2
    np.testing.assert_allclose(seen[1], 0.9 * np.maximum(seen[0], 2.0))
