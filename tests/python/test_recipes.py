"""Recipes lead every start to the exact posterior, on a network small enough to do it here."""

import numpy as np
import pytest

import qhypernet as qh

# What is asked of the recipes: nats from the exact posterior. Half of that is the worst seen here.
CLOSE = 1e-3
# Two circuits with the same parameters: sums in another order.
TOLERANCE = 1e-9


def _problem(data="moons", activation="tanh", layers=(2, 2, 1)):
    points = qh.datasets.load(data)
    net = qh.BinaryNetwork(layers, activation=activation)
    return qh.Problem(net, points.X_train, points.y_train)


@pytest.mark.parametrize("activation", ["tanh", "sign"])
@pytest.mark.parametrize("data", ["gaussian", "moons", "rings"])
def test_every_start_reaches_the_posterior_with_the_symmetry(data, activation):
    problem = _problem(data, activation)
    r = qh.recipes.sign_symmetric(problem, n_layers=16).train(n_inits=6)
    kl = qh.exact_posterior(problem.table).kl_from(r.probabilities())
    assert kl.shape == (6,)
    assert kl.max() < CLOSE


def test_every_start_reaches_the_posterior_without_it():
    problem = _problem()
    r = qh.recipes.hardware_efficient(problem, n_layers=48, n_steps=1500).train(n_inits=6)
    assert qh.exact_posterior(problem.table).kl_from(r.probabilities()).max() < CLOSE


def test_the_annealing_is_needed():
    problem = _problem()
    recipe = qh.recipes.sign_symmetric(problem, n_layers=16)
    r = qh.train(
        recipe.circuit,
        problem,
        qh.ELBO(),
        n_inits=6,
        n_steps=400,
        optimizer=recipe.optimizer,
        start=recipe.start,
    )
    assert np.median(qh.exact_posterior(problem.table).kl_from(r.probabilities())) > CLOSE


@pytest.mark.parametrize(("activation", "layers"), [("sign", (2, 2, 1)), ("tanh", (2, 1, 2, 1))])
def test_training_the_quotient_is_training_the_circuit(activation, layers):
    problem = _problem(activation=activation, layers=layers)
    recipe = qh.recipes.sign_symmetric(problem, n_layers=3, n_steps=12)
    small, table = recipe.smaller
    n_qubits = problem.net.n_weights - sum(layers[1:-1])
    assert (small.n_qubits, table.shape) == (n_qubits, (2**n_qubits,))
    assert small.n_params == recipe.circuit.n_params
    by_recipe = recipe.train(n_inits=3, seed=5, ground_truth=4)
    directly = qh.train(
        recipe.circuit,
        problem,
        recipe.objective,
        n_inits=3,
        n_steps=recipe.n_steps,
        optimizer=recipe.optimizer,
        start=recipe.start,
        seed=5,
        ground_truth=4,
    )
    assert by_recipe.circuit is recipe.circuit
    np.testing.assert_allclose(by_recipe.params, directly.params, rtol=0, atol=1e-7)
    for name in ("objective", "expected_nll", "regularizer", "gradient_norm", "kl"):
        a, b = by_recipe.history[name].values, directly.history[name].values
        np.testing.assert_allclose(a, b, rtol=1e-7, err_msg=name)
    # Not because nothing moved.
    assert np.ptp(directly.history["kl"].values, axis=1).min() > 0.01


def test_where_inputs_tie_the_circuit_itself_is_trained():
    # A second layer of sign units has inputs of +1 and -1 that add up to 0 with an odd number of
    # others and the bias, and sign(0) = +1 has no opposite.
    problem = _problem(activation="sign", layers=(2, 1, 1, 1))
    recipe = qh.recipes.sign_symmetric(problem, n_layers=2, n_steps=3)
    assert recipe.smaller is None
    r = recipe.train(n_inits=2)
    assert r.circuit.n_qubits == problem.net.n_weights == 7
    assert np.isfinite(r.history["objective"].values).all()


def test_settings_follow_the_problem_and_the_circuit():
    problem = _problem()
    recipe = qh.recipes.hardware_efficient(problem, n_layers=4, n_steps=200)
    assert recipe.circuit.n_params == 4 * 9 * 2
    assert recipe.objective.beta.at(0, 200) == pytest.approx(problem.table.std() / 4)
    assert recipe.objective.beta.at(140, 200) == pytest.approx(1)
    rate = recipe.optimizer.learning_rate
    assert rate.at(0, 200) == pytest.approx(0.7 / 72**0.5 / 40)
    assert rate.start == pytest.approx(0.7 / 72**0.5)
    assert rate.at(199, 200) == pytest.approx(0.7 / 72**0.5 / 50)
    one = qh.Problem(qh.BinaryNetwork((1, 1)), [[0.1], [-0.1]], [0, 1])
    assert qh.recipes.hardware_efficient(one).objective.beta.at(0, 10) == 1


def test_refuses_what_it_cannot_train():
    with pytest.raises(ValueError, match="expected an odd activation"):
        qh.recipes.sign_symmetric(_problem(activation="relu"))
    with pytest.raises(TypeError, match="problem: expected a Problem, got array"):
        qh.recipes.hardware_efficient(np.zeros(4))
    with pytest.raises(ValueError, match="n_steps: expected a whole number of at least 1, got 0"):
        qh.recipes.sign_symmetric(_problem(), n_steps=0)
