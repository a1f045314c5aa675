"""What every gradient of the folder must do; a new file is picked up by itself."""

import functools
import pkgutil

import numpy as np
import pytest
from oracles import evaluate

import qhypernet as qh
from qhypernet import gradients
from qhypernet.gradients import GRADIENTS, Exact, Gradient

# Standard errors: a normal deviate beyond five has probability 6e-7, and seeds are fixed.
SIGMAS = 5.0
ROUNDING = 1e-11
SHOTS = 4
N_ROWS, N_STEPS = 1500, 2
OBJECTIVES = {
    "mle": qh.MLE(),
    "elbo": qh.ELBO(beta=1.7),
    "selbo": qh.SELBO(weight=9.0, kernel=qh.HammingKernel((1.3, 2.2))),
}
# Its estimates are biased, all of them, so it has a test of its own.
ROOT = qh.RootMMD(weight=9.0, kernel=qh.HammingKernel((1.3, 2.2)))
BOTH = [(k, of) for k, v in GRADIENTS.items() for of, o in OBJECTIVES.items() if not v.refusal(o)]


def _case():
    """A shared parameter, one of two gates of which one is inactive, and three of no effect."""
    circuit = qh.Circuit(3, n_params=9)
    circuit.rz(0, param=8)  # on a bit that is still 0
    for qubit in range(3):
        circuit.ry(qubit, param=qubit)
    circuit.cx(0, 1)
    circuit.rxx(1, 2, param=3)
    circuit.p(1, param=4)
    circuit.ry(1, param=0)
    circuit.rx(2, angle=0.6)
    circuit.rzz(0, 1, param=5)
    circuit.ry(0, param=6)
    circuit.rz(2, param=4)
    circuit.cx(1, 2)
    circuit.rz(1, param=7)
    params = np.random.default_rng(17).uniform(0.3, 1.3, circuit.n_params)
    table = np.random.default_rng(18).normal(-4, 2, 8)
    return circuit, params, qh.BernoulliPrior(3, [0.3, 0.6, 0.8]), table


def _make(name, shots=SHOTS) -> Gradient:
    return gradients.chosen(name, None if GRADIENTS[name].min_shots is None else shots, qh.MLE())


def _exact(objective, params):
    circuit, _, prior, table = _case()
    return evaluate(Exact(), circuit, table, prior, objective, np.atleast_2d(params))


def _value(objective, params):
    found = _exact(objective, params)
    return found.expected_nll + found.regularizer


@functools.cache
def _repeated(name, objective, shots=SHOTS, n_rows=N_ROWS, n_steps=N_STEPS):
    """Evaluations from independent streams: rows are initialisations, and steps follow steps."""
    circuit, params, prior, table = _case()
    rows = np.tile(params, (n_rows, 1))
    found = [
        evaluate(_make(name, shots), circuit, table, prior, objective, rows, seed=3, step=step)
        for step in range(n_steps)
    ]
    return tuple(
        np.concatenate([getattr(e, part) for e in found])
        for part in ("gradient", "expected_nll", "regularizer")
    )


def _standard_error(values):
    return np.sqrt(values.var(axis=0, ddof=1) / len(values))


def _mean(name, objective):
    """What the gradient's mean is stated to be."""
    circuit, params, _, _ = _case()
    exact = _exact(objective, params).gradient[0]
    value = functools.partial(_value, objective)
    return exact, _make(name).mean(circuit, value, exact, params)


def test_every_file_of_the_folder_is_here():
    files = {m.name for m in pkgutil.iter_modules(gradients.__path__) if m.name[0] != "_"}
    assert {kind.__module__.split(".")[-1] for kind in GRADIENTS.values()} == files
    assert {kind.name for kind in GRADIENTS.values()} == set(GRADIENTS)


@pytest.mark.parametrize(("name", "of"), BOTH)
def test_its_mean_is_the_gradient_or_what_it_states(name, of):
    objective = OBJECTIVES[of]
    exact, mean = _mean(name, objective)
    size = np.linalg.norm(exact)
    # As many repetitions as the noise asks for, which a first look tells.
    noise = (_repeated(name, objective)[0] @ exact / size).std()
    n_steps = int(np.ceil((1.1 * SIGMAS * noise * SHOTS / size) ** 2 / N_ROWS)) + 1
    gradient, _, _ = _repeated(name, objective, n_steps=n_steps)
    error = gradient.mean(axis=0) - mean
    assert (abs(error) <= SIGMAS * _standard_error(gradient) + ROUNDING).all()
    along = gradient @ exact / size
    bound = SIGMAS * _standard_error(along) + ROUNDING
    assert abs(along.mean() - mean @ exact / size) <= bound
    # Tight enough to see a shrinkage by 1/shots.
    assert bound < size / SHOTS
    if not GRADIENTS[name].bias:
        np.testing.assert_array_equal(mean, exact)


@pytest.mark.parametrize(("name", "of"), BOTH)
def test_its_values_are_those_of_the_objective(name, of):
    objective = OBJECTIVES[of]
    _, params, _, _ = _case()
    _, nll, regularizer = _repeated(name, objective)
    found = _exact(objective, params)
    # One that moves the angles by c looks at the objective there: c^2/2 times second derivatives,
    # here at most a fifth of the range of the parts.
    slack = 0.2 if GRADIENTS[name].bias else ROUNDING
    for values, expected in ((nll, found.expected_nll), (regularizer, found.regularizer)):
        assert abs(values.mean() - expected) <= SIGMAS * _standard_error(values) + slack


@pytest.mark.parametrize(("name", "of"), BOTH)
def test_streams_are_named_by_seed_row_and_step(name, of):
    objective = OBJECTIVES[of]
    circuit, params, prior, table = _case()
    rows = params + np.random.default_rng(0).uniform(-1, 1, (3, circuit.n_params))

    def gradient(rows, **stream):
        return evaluate(_make(name, 50), circuit, table, prior, objective, rows, **stream).gradient

    base = gradient(rows, seed=1, step=4)
    np.testing.assert_array_equal(base, gradient(rows, seed=1, step=4))
    np.testing.assert_array_equal(base[:2], gradient(rows[:2], seed=1, step=4))
    same = gradient(rows[[0, 0]], seed=1, step=4)
    if GRADIENTS[name].min_shots is not None:
        for other in (same[1:], gradient(rows, seed=1, step=5), gradient(rows, seed=2, step=4)):
            assert (base[0] != other[0]).any()


@pytest.mark.parametrize("name", GRADIENTS)
def test_parameters_of_no_effect_have_no_gradient(name):
    gradient, _, _ = _repeated(name, OBJECTIVES["mle"])
    np.testing.assert_allclose(gradient[:, [7, 8]], 0, atol=1e-15)
    assert (abs(gradient[:, :7]).max(axis=0) > 1e-2).all()


@pytest.mark.parametrize("name", GRADIENTS)
@pytest.mark.parametrize("objective", [*OBJECTIVES.values(), ROOT, qh.Renyi(), qh.KSD()], ids=repr)
def test_it_trains_or_says_why_it_cannot(name, objective):
    circuit, _, prior, table = _case()
    kind = GRADIENTS[name]
    options = {} if kind.min_shots is None else {"shots": 8}
    options |= {"n_inits": 2, "n_steps": 3, "prior": prior, "gradient": name}
    if kind.refusal(objective):
        expected = rf'^gradient: expected "exact".* with {type(objective).__name__}, got "{name}": '
        with pytest.raises(ValueError, match=expected):
            qh.train(circuit, table, objective, **options)
        return
    few = qh.train(circuit, table, objective, **options)
    many = qh.train(circuit, table, objective, **options | {"n_inits": 5})
    np.testing.assert_array_equal(few.params, many.params[:2])
    made = kind(*([8] if kind.min_shots else []))
    again = qh.train(circuit, table, objective, n_inits=2, n_steps=3, prior=prior, gradient=made)
    np.testing.assert_array_equal(few.params, again.params)


@pytest.mark.parametrize("name", [n for n in GRADIENTS if not GRADIENTS[n].refusal(ROOT)])
def test_the_root_is_biased_by_a_part_in_the_shots(name):
    _, params, _, _ = _case()
    shots = 4000
    exact, mean = _mean(name, ROOT)
    gradient, _, regularizer = _repeated(name, ROOT, shots, 60, 1)
    # The V-statistic is (1 - q'Kq) / shots too large, and at most 1 / shots; a square root's and an
    # inverse root's curvature add as much again from its variance, at most 4 MMD^2 / shots.
    mmd = float(_exact(ROOT, params).regularizer[0] / ROOT.weight)
    relative = (1 + 4 * mmd**2) / (shots * mmd**2)
    assert relative < 0.05
    bias = 0.0 if GRADIENTS[name].min_shots is None else relative * abs(exact).max()
    error = abs(gradient.mean(axis=0) - mean)
    assert (error <= SIGMAS * _standard_error(gradient) + bias + ROUNDING).all()
    slack = 0.2 if GRADIENTS[name].bias else relative * ROOT.weight * mmd
    assert abs(regularizer.mean() - ROOT.weight * mmd) < (
        SIGMAS * _standard_error(regularizer) + slack
    )
