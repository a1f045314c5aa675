"""Ten initialisations are four and then six, bit for bit: what chunks of a sweep rest on."""

import numpy as np
import pytest

import qhypernet as qh
from qhypernet import evaluation
from qhypernet.gradients import GRADIENTS
from qhypernet.objectives import OBJECTIVES

HISTORY = ("objective", "expected_nll", "regularizer", "gradient_norm")
# From one row to many: NumPy, BLAS and the core's vector lanes each have ways of their own for few.
PARTS = ((4, 6), (1, 9), (3, 7))
DATA = qh.datasets.moons(60)
NET = qh.BinaryNetwork((2, 2, 1), activation="tanh")
PROBLEM = qh.Problem(NET, DATA.X_train, DATA.y_train)
CASES = [("exact", name) for name in OBJECTIVES] + [
    (gradient, name)
    for gradient, kind in GRADIENTS.items()
    for name in ("mle", "elbo", "selbo", "root_mmd")
    if kind.min_shots is not None and not kind.refusal(OBJECTIVES[name]())
]


def _train(layers=2, **options):
    circuit = qh.ansatz.hardware_efficient(NET.n_weights, layers)
    return qh.train(circuit, PROBLEM, **{"n_steps": 6, "seed": 3} | options)


def _options(gradient, name):
    shots = None if GRADIENTS[gradient].min_shots is None else 5
    return {"gradient": gradient, "shots": shots, "objective": OBJECTIVES[name]()}


def _metrics(trained):
    posterior = qh.exact_posterior(PROBLEM.table)
    prior = qh.BernoulliPrior(NET.n_weights)
    return evaluation.evaluate(NET, DATA, trained.distributions(), posterior, PROBLEM.table, prior)


@pytest.mark.parametrize(("gradient", "name"), CASES)
def test_a_run_is_the_sum_of_its_parts(gradient, name):
    options = _options(gradient, name)
    whole = _train(n_inits=10, **options)
    expected = _metrics(whole)
    for parts in PARTS:
        first = 0
        for n_inits in parts:
            part = _train(n_inits=n_inits, first_init=first, **options)
            own = slice(first, first + n_inits)
            np.testing.assert_array_equal(part.params, whole.params[own])
            assert part.history["init"].values.tolist() == list(range(10))[own]
            for key in HISTORY:
                np.testing.assert_array_equal(part.history[key], whole.history[key][own])
            found = _metrics(part)
            for key in ("trained", "mode"):
                np.testing.assert_array_equal(found[key], expected[key][own])
            np.testing.assert_array_equal(found["ground_truth"], expected["ground_truth"])
            first += n_inits


def test_one_layer_too():
    for gradient in ("exact", "sampled"):
        options = _options(gradient, "selbo") | {"layers": 1}
        whole = _train(n_inits=5, **options)
        last = _train(n_inits=2, first_init=3, **options)
        np.testing.assert_array_equal(last.params, whole.params[3:])


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": qh.LBFGSB(tolerance=1e-3)},
        {"stopping": qh.EarlyStopping(patience=2, min_delta=1.0)},
        {"batch_size": 20, "optimizer": qh.SGD(1e-3)},
    ],
    ids=["lbfgsb", "stopping", "batches"],
)
def test_a_part_that_ends_earlier_is_where_the_whole_stands_still(options):
    options = options | {"objective": qh.ELBO(), "n_steps": 40}
    whole = _train(n_inits=5, **options)
    lengths = []
    for own in (slice(0, 1), slice(1, 5)):
        part = _train(n_inits=own.stop - own.start, first_init=own.start, **options)
        np.testing.assert_array_equal(part.params, whole.params[own])
        lengths.append(part.history.sizes["step"])
        for key in HISTORY:
            found, expected = part.history[key].values, whole.history[key].values[own]
            np.testing.assert_array_equal(found, expected[:, : lengths[-1]])
            assert (expected[:, lengths[-1] :] == found[:, -1:]).all()
    assert max(lengths) == whole.history.sizes["step"]
    assert "batch_size" in options or min(lengths) < max(lengths) < 40


def test_a_part_in_which_all_diverge_has_what_it_has_in_the_whole():
    # Adam moves each parameter by about its rate, so that only the first rows leave the doubles.
    start = np.random.default_rng(1).uniform(-3, 3, (4, 36))
    start[:2] = np.sign(start[:2]) * 1.79e308
    options = {"objective": qh.ELBO(), "optimizer": qh.Adam(1e307)}
    with pytest.warns(RuntimeWarning, match=r"aside: \[0, 1\]"):
        whole = _train(n_inits=4, start=start, **options)
    with pytest.raises(qh.DivergedError, match="diverged at step 1 in all 2 init") as error:
        _train(n_inits=2, start=start[:2], **options)
    part = error.value.result
    np.testing.assert_array_equal(part.params, whole.params[:2])
    assert part.failed.tolist() == [True, True]
    assert part.history.sizes["step"] == 1
    assert np.isnan(part.history["objective"]).all()
    assert np.isnan(whole.history["objective"][:2]).all()
    with pytest.warns(RuntimeWarning, match=r"in 1 of 3 init.*aside: \[1\]"):
        _train(n_inits=3, start=start[1:], first_init=1, **options)


def test_a_checkpoint_of_other_initialisations_is_refused(tmp_path):
    options = _options("sampled", "selbo") | {"checkpoint": tmp_path / "c.nc"}
    start = np.zeros((2, 36))
    _train(n_inits=2, start=start, **options)
    with pytest.raises(ValueError, match=r"checkpoint: expected .* to hold this training"):
        _train(n_inits=2, start=start, first_init=2, **options)


@pytest.mark.parametrize("first_init", [-1, 2**60])
def test_a_number_that_cannot_be_is_named(first_init):
    with pytest.raises(ValueError, match="first_init: expected a whole number"):
        _train(n_inits=1, objective=qh.MLE(), first_init=first_init)
