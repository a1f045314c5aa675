"""Divergences to the prior, and the Stein discrepancy: finite differences and closed forms."""

import sys
from pathlib import Path

import numpy as np
import pytest
from oracles import all_bits, build, evaluate, kernel, n_params_of, prior_probabilities, random_ops

import qhypernet as qh
from qhypernet import cli, gradients, objectives, runs
from qhypernet.config import RunConfig
from qhypernet.gradients import Exact
from qhypernet.objectives import PriorDivergence, Target

# Central differences of step h, Richardson-extrapolated: h**4 of a fifth derivative and rounding/h.
STEP = 1e-3
DIFFERENCE_TOLERANCE = 2e-6
Q_STEP = 1e-5
Q_TOLERANCE = 1e-7
# Sums of a few terms of about 1.
VALUE_TOLERANCE = 1e-12

SMOOTH = [
    qh.ForwardKL(weight=1.7),
    qh.Renyi(weight=2.1, alpha=0.3),
    qh.Renyi(alpha=0.5),
    qh.Renyi(alpha=2.6),
    qh.JensenShannon(weight=14.0),
    qh.SquaredHellinger(weight=11.0),
    qh.RootMMD(weight=8.0, kernel=qh.HammingKernel((1.3, 2.9))),
    qh.RootMMD(),
    qh.TotalVariation(weight=5.0),
]
STEIN = [qh.KSD(weight=3.0), qh.KSD(kernel=qh.HammingKernel((0.8, 2.2)))]


def _distributions(n, rows=3, seed=0):
    rng = np.random.default_rng([n, seed])
    q = rng.dirichlet(np.full(2**n, 2.0), rows) * 0.9 + 0.1 / 2**n
    return q, prior_probabilities(rng.uniform(0.2, 0.8, n))


def _naive(objective, q, p):
    """The definitions, one outcome at a time; not all zeros are handled."""
    if isinstance(objective, qh.ForwardKL):
        return sum(b * np.log(b / a) for a, b in zip(q, p, strict=True))
    if isinstance(objective, qh.Renyi):
        a = objective.alpha
        return np.log(sum(x**a * y ** (1 - a) for x, y in zip(q, p, strict=True))) / (a - 1)
    if isinstance(objective, qh.JensenShannon):
        m = (q + p) / 2
        return (
            sum(x * np.log(x / z) + y * np.log(y / z) for x, y, z in zip(q, p, m, strict=True)) / 2
        )
    if isinstance(objective, qh.SquaredHellinger):
        return sum((np.sqrt(x) - np.sqrt(y)) ** 2 for x, y in zip(q, p, strict=True)) / 2
    if isinstance(objective, qh.TotalVariation):
        return max(abs(q[list(s)].sum() - p[list(s)].sum()) for s in [np.flatnonzero(q > p), []])
    n = len(q).bit_length() - 1
    gram = kernel(all_bits(n), all_bits(n), objective.bandwidths(n))
    return np.sqrt((q - p) @ gram @ (q - p))


def _naive_stein(objective, prior, table):
    """H = A K A', entry by entry from the Glauber rates."""
    n, N = prior.n, len(table)
    log_joint = table + np.log(prior_probabilities(prior.p_plus))
    A = np.zeros((N, N))
    for w in range(N):
        for i in range(n):
            other = w ^ (1 << i)
            rate = 1 / (1 + np.exp(log_joint[w] - log_joint[other]))
            A[w, other] += rate
            A[w, w] -= rate
    return A @ kernel(all_bits(n), all_bits(n), objective.bandwidths(n)) @ A.T


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("objective", SMOOTH, ids=repr)
def test_values_are_the_definitions(objective, n):
    q, p = _distributions(n)
    value, _ = objective.between(q, p)
    expected = [_naive(objective, row, p) for row in q]
    np.testing.assert_allclose(value, expected, rtol=0, atol=VALUE_TOLERANCE)
    if not isinstance(objective, qh.Renyi) or objective.alpha != 0.3:
        assert (value > 1e-4).all()


@pytest.mark.parametrize("n", [1, 3, 5])
@pytest.mark.parametrize("objective", SMOOTH, ids=repr)
def test_cotangents_are_the_slopes_of_the_values(objective, n):
    q, p = _distributions(n)
    _, slope = objective.between(q, p)
    # Some directions along which q still sums to one.
    directions = np.random.default_rng(n).normal(size=(6, 2**n))
    directions -= directions.mean(axis=1, keepdims=True)
    for d in directions:
        h = Q_STEP * q.min()
        ahead, _ = objective.between(q + h * d, p)
        behind, _ = objective.between(q - h * d, p)
        np.testing.assert_allclose(
            slope @ d, (ahead - behind) / (2 * h), rtol=0, atol=Q_TOLERANCE / q.min()
        )


def _case(n, seed=0):
    rng = np.random.default_rng([n, seed])
    ops = random_ops(rng, n, 40)
    circuit = build(n, ops)
    for qubit in range(n):  # No outcome is impossible, and all are well away from 0.
        circuit.ry(qubit, angle=0.7 + 0.2 * qubit)
    params = rng.uniform(-3, 3, (2, n_params_of(ops)))
    return circuit, params, qh.BernoulliPrior(n, rng.uniform(0.15, 0.9, n)), rng.normal(-3, 2, 2**n)


def _value(circuit, row, prior, table, objective):
    q = circuit.simulate(row).probabilities()
    if isinstance(objective, qh.KSD):
        return objective.weight * q @ _naive_stein(objective, prior, table) @ q
    return -float(q @ table) + objective.weight * _naive(
        objective, q, prior_probabilities(prior.p_plus)
    )


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("objective", [*SMOOTH, *STEIN], ids=repr)
def test_gradients_in_the_angles_equal_central_differences(objective, n):
    circuit, params, prior, table = _case(n)
    found = evaluate(Exact(), circuit, table, prior, objective, params)

    def slope(row, direction, h):
        ahead = _value(circuit, row + h * direction, prior, table, objective)
        return (ahead - _value(circuit, row - h * direction, prior, table, objective)) / (2 * h)

    for i, row in enumerate(params):
        q = circuit.simulate(row).probabilities()
        np.testing.assert_allclose(found.expected_nll[i], -(q @ table), rtol=1e-12)
        part = found.regularizer[i] + objective.has_expected_nll * found.expected_nll[i]
        np.testing.assert_allclose(part, _value(circuit, row, prior, table, objective), rtol=1e-11)
        for j, direction in enumerate(np.eye(len(row))):
            near, far = slope(row, direction, STEP / 2), slope(row, direction, STEP)
            assert abs(found.gradient[i, j] - (4 * near - far) / 3) < DIFFERENCE_TOLERANCE
    assert abs(found.gradient).max() > 1e-2


def test_stein_is_the_dense_matrix_and_nothing_at_the_posterior():
    circuit, _, prior, table = _case(4)
    q, _ = _distributions(4)
    for objective in STEIN:
        H = _naive_stein(objective, prior, table)
        value, slope = objective.value_and_cotangent(q, Target(-table, prior))
        np.testing.assert_allclose(value, [row @ H @ row for row in q], rtol=1e-12)
        np.testing.assert_allclose(slope, 2 * q @ H, rtol=0, atol=VALUE_TOLERANCE)
        posterior = qh.exact_posterior(table, prior).probabilities[None]
        value, slope = objective.value_and_cotangent(posterior, Target(-table, prior))
        assert abs(value) < VALUE_TOLERANCE
        assert abs(slope).max() < VALUE_TOLERANCE
        assert objective.value_and_cotangent(q, Target(-table, prior))[0].min() > 1e-3
    assert circuit.n_qubits == 4


def test_stein_takes_costs_that_overflow_an_exponential():
    prior, cost = qh.BernoulliPrior(2), np.array([0.0, 4000.0, 9000.0, 1.0])
    value, slope = qh.KSD().value_and_cotangent(np.full((1, 4), 0.25), Target(cost, prior))
    assert np.isfinite(value).all()
    assert np.isfinite(slope).all()


@pytest.mark.parametrize(
    ("objective", "one", "half"),
    [
        # D of a sure outcome, and of (1/2, 1/2), to the prior (1/4, 3/4).
        (qh.ForwardKL(), np.inf, 0.25 * np.log(0.5) + 0.75 * np.log(1.5)),
        (qh.Renyi(alpha=2.0), np.log(4), np.log(1 + 1 / 3)),
        (qh.Renyi(alpha=0.5), np.log(4), -2 * np.log(np.sqrt(1 / 8) + np.sqrt(3 / 8))),
        (
            qh.JensenShannon(),
            0.5 * (np.log(8 / 5) + 0.25 * np.log(2 / 5) + 0.75 * np.log(2)),
            0.5
            * (
                0.5 * np.log(4 / 3)
                + 0.5 * np.log(4 / 5)
                + 0.25 * np.log(2 / 3)
                + 0.75 * np.log(6 / 5)
            ),
        ),
        (qh.SquaredHellinger(), 0.5, 1 - np.sqrt(1 / 8) - np.sqrt(3 / 8)),
        (qh.TotalVariation(), 0.75, 0.25),
        (
            qh.RootMMD(kernel=qh.HammingKernel(1.4)),
            np.sqrt(2 * 0.75**2 * (1 - np.exp(-2 / 1.96))),
            np.sqrt(2 * 0.25**2 * (1 - np.exp(-2 / 1.96))),
        ),
    ],
    ids=repr,
)
def test_closed_forms_of_one_qubit_and_what_cannot_happen(objective, one, half):
    q, p = np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([0.25, 0.75])
    value, slope = objective.between(q, p)
    np.testing.assert_allclose(value, [one, half], rtol=1e-13)
    assert slope[0, 1] == 0
    assert np.isfinite(slope).all()
    value, slope = objective.between(p[None], p)
    np.testing.assert_allclose(value, 0, atol=1e-15)
    # At the prior itself only a constant is left, which has no gradient.
    np.testing.assert_allclose(slope - slope.mean(), 0, atol=1e-15)


def test_mass_where_the_prior_has_none():
    q, p = np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([1.0, 0.0])
    expected = {
        "forward_kl": [np.log(2), 0],
        "jensen_shannon": [0.5 * (0.5 * np.log(2 / 3) + 0.5 * np.log(2) + np.log(4 / 3)), 0],
        "hellinger": [1 - np.sqrt(0.5), 0],
        "total_variation": [0.5, 0],
    }
    for objective in SMOOTH:
        if objective.name in expected:
            value, slope = objective.between(q, p)
            np.testing.assert_allclose(value, expected[objective.name], atol=1e-15)
            assert np.isfinite(slope).all()
    np.testing.assert_allclose(qh.Renyi(alpha=0.5).between(q, p)[0], [np.log(2), 0], atol=1e-15)
    assert qh.Renyi(alpha=2.0).between(q, p)[0].tolist() == [np.inf, 0]
    disjoint = np.array([[0.0, 1.0]])
    assert qh.Renyi(alpha=0.5).between(disjoint, p)[0].tolist() == [np.inf]


def test_renyi_nears_the_kl():
    q, p = _distributions(3)
    kl = (q * np.log(q / p)).sum(axis=1)
    near = [qh.Renyi(alpha=1 + h).between(q, p)[0] for h in (1e-5, -1e-5)]
    np.testing.assert_allclose(np.mean(near, axis=0), kl, rtol=1e-8)


def test_states_with_impossible_outcomes():
    circuit = qh.ansatz.brickwork(3, 1)
    params = np.zeros((2, circuit.n_params))
    params[0, 0] = 1.1
    params[1] = 0.3 + np.arange(circuit.n_params) / 7
    table, prior = np.random.default_rng(2).normal(-3, 1, 8), qh.BernoulliPrior(3, 0.4)
    for objective in [*SMOOTH, *STEIN]:
        found = evaluate(Exact(), circuit, table, prior, objective, params)
        infinite = isinstance(objective, qh.ForwardKL)
        assert np.isfinite(found.regularizer).tolist() == [not infinite, True]
        assert np.isfinite(found.gradient).all(axis=1).tolist() == [not infinite, True]
        alone = evaluate(Exact(), circuit, table, prior, objective, params[1:])
        np.testing.assert_array_equal(alone.gradient[0], found.gradient[1])


def test_a_start_of_infinite_divergence_is_set_aside():
    circuit = qh.ansatz.brickwork(3, 1)
    start = np.random.default_rng(0).uniform(0.5, 2, (3, circuit.n_params))
    start[1] = 0
    with pytest.warns(RuntimeWarning, match=r"aside: \[1\]"):
        r = qh.train(circuit, np.zeros(8), qh.ForwardKL(), n_inits=3, n_steps=60, start=start)
    # The prior is a product, so each other start reaches it.
    np.testing.assert_allclose(r.probabilities()[[0, 2]], 1 / 8, atol=1e-2)


@pytest.mark.parametrize("objective", [*SMOOTH[:7], *STEIN], ids=repr)
def test_training_goes_downhill_and_weights_may_be_scheduled(objective):
    circuit, _, prior, table = _case(3)
    options = {k: v for k, v in vars(objective).items() if k in ("kernel", "alpha")}
    scheduled = type(objective)(qh.Schedule(40, 4), **options)
    r = qh.train(circuit, table, scheduled, n_inits=2, n_steps=60, prior=prior)
    np.testing.assert_allclose(r.history["weight"][[0, -1]], [40, 4])
    again = qh.train(circuit, table, type(objective)(4.0, **options), n_inits=2, prior=prior)
    objective = again.history["objective"].values
    assert (objective[:, -1] < objective[:, 0]).all()


def test_stein_training_finds_the_posterior():
    circuit, _, prior, table = _case(2)
    circuit = qh.ansatz.hardware_efficient(2, 2)
    r = qh.train(circuit, table, qh.KSD(10.0), n_inits=4, n_steps=400, prior=prior)
    kl = qh.exact_posterior(table, prior).kl_from(r.probabilities())
    assert np.median(kl) < 1e-4
    # It stands alone.
    np.testing.assert_array_equal(r.history["objective"], r.history["regularizer"])
    assert (r.history["expected_nll"].values != 0).all()


class _Own(qh.Objective):
    name = "own"
    weight = 2.0

    def __init__(self, bad=None):
        self.bad = bad

    def value_and_cotangent(self, q, target):
        if self.bad:
            return self.bad
        return (q**2).sum(axis=1), 2 * q


def test_an_objective_of_ones_own():
    circuit, params, prior, table = _case(3)
    found = evaluate(Exact(), circuit, table, prior, _Own(), params)
    for i, row in enumerate(params):
        state = circuit.simulate(row)
        q = state.probabilities()
        np.testing.assert_allclose(found.regularizer[i], 2 * q @ q, rtol=1e-13)
        expected = state.gradient(-table + 4 * q)
        np.testing.assert_allclose(found.gradient[i], expected, rtol=0, atol=1e-12)
    slope = np.ones((2, 8))
    slope[0, 3] = np.inf
    for bad in ((np.ones(2), slope), (np.array([np.nan, 1.0]), np.ones((2, 8)))):
        found = evaluate(Exact(), circuit, table, prior, _Own(bad), params)
        assert np.isfinite(found.gradient).all(axis=1).tolist() == [False, True]
    with pytest.raises(ValueError, match=r"^objective: expected values of shape \(2,\) .*, got "):
        evaluate(Exact(), circuit, table, prior, _Own((0.0, np.zeros(8))), params)


def test_blocks_of_rows_are_the_rows(monkeypatch):
    circuit, _, prior, table = _case(3)
    params = np.random.default_rng(1).uniform(-3, 3, (7, circuit.n_params))
    whole = evaluate(Exact(), circuit, table, prior, SMOOTH[0], params)
    monkeypatch.setattr(gradients._probabilities, "_BLOCK_BYTES", 3 * 8 * 64)
    parts = evaluate(Exact(), circuit, table, prior, SMOOTH[0], params)
    np.testing.assert_array_equal(parts.gradient, whole.gradient)
    np.testing.assert_array_equal(parts.regularizer, whole.regularizer)


def test_every_divergence_is_tested():
    tested = {type(o) for o in SMOOTH}
    assert tested == {o for o in objectives.OBJECTIVES.values() if issubclass(o, PriorDivergence)}


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("weight", lambda: qh.ForwardKL(-1)),
        ("weight", lambda: qh.KSD("heavy")),
        ("weight", lambda: qh.TotalVariation(qh.Schedule(1, -1, "linear"))),
        ("alpha", lambda: qh.Renyi(alpha=1)),
        ("alpha", lambda: qh.Renyi(alpha=0)),
        ("kernel", lambda: qh.RootMMD(kernel=1.5)),
        ("kernel", lambda: qh.KSD(kernel="gaussian")),
    ],
)
def test_a_bad_argument_is_named(name, make):
    with pytest.raises((ValueError, TypeError), match=rf"^{name}: expected .*, got "):
        make()


@pytest.mark.parametrize("objective", [*SMOOTH, *STEIN], ids=repr)
def test_what_samples_cannot_give_is_refused(objective):
    circuit, _, _, table = _case(2)
    with pytest.raises(
        ValueError, match=rf"^gradient: expected .* with {type(objective).__name__}"
    ):
        qh.train(circuit, table, objective, n_inits=1, n_steps=1, gradient="sampled", shots=5)


def _config(**objective):
    return RunConfig.parse({"data": {"source": "moons"}, "objective": objective}, "test")


@pytest.mark.parametrize("name", objectives.OBJECTIVES)
def test_every_objective_can_be_described(name):
    assert _config(name=name).build_objective().name == name
    assert repr(_config(name=name).build_objective()) == repr(objectives.OBJECTIVES[name]())


def test_a_described_objective_has_what_was_given():
    found = _config(name="renyi", weight="50:2", alpha=1.5).build_objective()
    assert repr(found) == repr(qh.Renyi(qh.Schedule(50, 2), 1.5))
    found = _config(name="ksd", bandwidths=[1.5, 2]).build_objective()
    assert repr(found) == repr(qh.KSD(kernel=qh.HammingKernel((1.5, 2))))
    found = _config(name="elbo", weight=2).build_objective()
    assert repr(found) == repr(qh.ELBO(2.0))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("weight", {"name": "mle", "weight": 2}),
        ("alpha", {"name": "hellinger", "alpha": 2}),
        ("bandwidths", {"name": "elbo", "bandwidths": [1.0]}),
        ("bandwidths", {"name": "renyi", "bandwidths": [1.0]}),
    ],
)
def test_what_an_objective_does_not_have_is_named(field, value):
    with pytest.raises(
        ValueError, match=rf"^objective\.{field}: expected none for {value['name']}"
    ):
        _config(**value).build_objective()


def test_the_command_trains_with_a_divergence(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    argv = "train moons --objective renyi --alpha 2 --weight 5 --inits 2 --steps 5 --out r"
    monkeypatch.setattr(sys, "argv", ["qhypernet", *argv.split()])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code
    assert runs.read(Path("r")).config.build_objective().alpha == 2
