"""Starting points, schedules and the optimiser against their definitions."""

import numpy as np
import pytest

import qhypernet as qh
from qhypernet import starts

# Probabilities of 2**n outcomes after a few hundred roundings.
UNIFORM_TOLERANCE = 1e-14
SPREAD = 0.1
# Standard errors: a normal deviate beyond five has probability 6e-7, and seeds are fixed.
SIGMAS = 5.0

CIRCUITS = {
    "hardware_efficient": qh.ansatz.hardware_efficient(5, 3),
    "rx and rzz": qh.ansatz.hardware_efficient(4, 2, ("rx", "rz"), "rzz", "circular"),
    "brickwork": qh.ansatz.brickwork(5, 4),
    "sign_symmetric": qh.ansatz.sign_symmetric(qh.BinaryNetwork((1, 2, 1), "tanh"), 2),
    "sign_symmetric, two hidden layers": qh.ansatz.sign_symmetric(
        qh.BinaryNetwork((2, 2, 2, 1), "sign"), 2
    ),
}
ALL = pytest.mark.parametrize("circuit", CIRCUITS.values(), ids=CIRCUITS)


@ALL
def test_the_centre_of_near_uniform_is_exactly_uniform(circuit):
    q = circuit.simulate(starts._uniform(circuit)).probabilities()
    np.testing.assert_allclose(q, 2.0**-circuit.n_qubits, rtol=0, atol=UNIFORM_TOLERANCE)


@ALL
def test_near_uniform_is_as_near_as_its_spread_allows(circuit):
    centre = starts._uniform(circuit)
    params = starts.start(circuit, "near_uniform", 30, 7)
    assert params.shape == (30, circuit.n_params)
    offsets = abs(params - centre)
    assert offsets.max() <= SPREAD
    assert offsets.max() > 0.95 * SPREAD
    q = circuit.simulate(params).probabilities()
    variation = abs(q - 2.0**-circuit.n_qubits).sum(axis=1) / 2
    # A rotation by d moves a state by at most d/2, and total variation is at most that distance.
    assert (variation <= offsets.sum(axis=1) / 2).all()
    assert (variation > 1e-4).all()


@pytest.mark.parametrize(
    "build",
    [
        lambda c: (c.ry(0), c.h(0)),
        lambda c: (c.ry(0), c.ry(0, param=0)),
        lambda c: (c.ry(0), c.ry(0, angle=0.8)),
        lambda c: (c.h(0), c.h(0), c.ry(0)),
    ],
    ids=["an h later", "the same angle twice", "a fixed angle", "two h"],
)
def test_near_uniform_is_uniform_or_refused(build):
    circuit = qh.Circuit(1)
    build(circuit)
    try:
        params = starts.start(circuit, "near_uniform", 1, 0)
    except ValueError as error:
        assert str(error).startswith("start: expected ")  # noqa: PT017
        return
    q = circuit.simulate(params).probabilities()
    assert abs(q[0, 0] - 0.5) < SPREAD


@ALL
def test_near_identity_is_near_zero(circuit):
    params = starts.start(circuit, "near_identity", 20, 3)
    assert abs(params).max() <= SPREAD
    assert abs(params).max() > 0.95 * SPREAD
    bound = SIGMAS * SPREAD / np.sqrt(3 * params.size)
    assert abs(params.mean()) < bound


def test_random_is_uniform_over_the_circle():
    circuit = CIRCUITS["brickwork"]
    params = starts.start(circuit, "random", 500, 11)
    n = params.size
    assert abs(params).max() <= np.pi
    assert abs(params.mean()) < SIGMAS * np.sqrt(np.pi**2 / 3 / n)
    # The square of a uniform number in [-a, a] has variance 4 a**4 / 45.
    spread = np.sqrt(4 * np.pi**4 / 45 / n)
    assert abs((params**2).mean() - np.pi**2 / 3) < SIGMAS * spread


@pytest.mark.parametrize("name", starts.NAMES)
def test_each_initialisation_has_a_stream_of_its_own(name):
    circuit = CIRCUITS["hardware_efficient"]
    many = starts.start(circuit, name, 10, 5)
    np.testing.assert_array_equal(many[:4], starts.start(circuit, name, 4, 5))
    assert len(np.unique(many)) == many.size
    assert (many != starts.start(circuit, name, 10, 6)).all()


def test_a_bad_start_is_named():
    circuit = CIRCUITS["brickwork"]
    with pytest.raises(ValueError, match=r"^start: expected one of random.*got 'zero'"):
        starts.start(circuit, "zero", 1, 0)
    circuit = qh.Circuit(2)
    circuit.ry(0)
    with pytest.raises(ValueError, match=r"^start: expected .* got none on qubits \[1\]"):
        starts.start(circuit, "near_uniform", 1, 0)


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        ("geometric", lambda t: 50.0 ** (1 - t) * 2.0**t),
        ("linear", lambda t: 50 - 48 * t),
        ("cosine", lambda t: 2 + 48 * (1 + np.cos(np.pi * t)) / 2),
    ],
)
@pytest.mark.parametrize("fraction", [1.0, 0.25])
def test_schedules_have_their_closed_form(shape, value, fraction):
    schedule = qh.Schedule(50, 2, shape, fraction)
    for step in range(41):
        t = min(step / (40 * fraction), 1.0)
        np.testing.assert_allclose(schedule.at(step, 41), value(t), rtol=1e-13)
    assert schedule.at(0, 41) == 50
    np.testing.assert_allclose(schedule.at(40, 41), 2, rtol=1e-15)
    np.testing.assert_allclose(schedule.at(0, 1), 50, rtol=1e-15)


def test_a_schedule_warms_up_evenly():
    plain, warm = qh.Schedule(50, 2, "cosine"), qh.Schedule(50, 2, "cosine", warmup=0.25)
    factors = [warm.at(step, 40) / plain.at(step, 40) for step in range(40)]
    np.testing.assert_allclose(factors[:10], np.arange(1, 11) / 10, rtol=1e-13)
    np.testing.assert_allclose(factors[10:], 1, rtol=1e-13)
    late = qh.Schedule(50, 2, fraction=0.1, warmup=0.5)
    assert [late.has_ended(step, 40) for step in (4, 19, 20)] == [False, False, True]


def test_adam_is_its_definition():
    rate = qh.Schedule(0.3, 0.1, "linear")
    adam = qh.Adam(rate, beta1=0.8, beta2=0.95, epsilon=1e-3)
    rng = np.random.default_rng(0)
    params = rng.normal(size=(2, 3))
    mean, square, expected = np.zeros((2, 3)), np.zeros((2, 3)), params.copy()
    state = adam.start(params)
    for step in range(6):
        gradient = rng.normal(size=(2, 3))
        params, state = adam.step(params, gradient, state, step, 6)
        mean = 0.8 * mean + 0.2 * gradient
        square = 0.95 * square + 0.05 * gradient**2
        root = np.sqrt(square / (1 - 0.95 ** (step + 1)))
        expected -= (0.3 - 0.2 * step / 5) * mean / (1 - 0.8 ** (step + 1)) / (root + 1e-3)
        np.testing.assert_allclose(params, expected, rtol=1e-13)


BAD_ARGUMENTS = {
    "start": [lambda: qh.Schedule(0, 1), lambda: qh.Schedule("a", 1)],
    "end": [lambda: qh.Schedule(1, -1), lambda: qh.Schedule(1, np.nan)],
    "shape": [lambda: qh.Schedule(1, 2, "cubic")],
    "fraction": [lambda: qh.Schedule(1, 2, fraction=0), lambda: qh.Schedule(1, 2, fraction=1.5)],
    "warmup": [lambda: qh.Schedule(1, 2, warmup=-0.1), lambda: qh.Schedule(1, 2, warmup=1)],
    "learning_rate": [
        lambda: qh.Adam(0),
        lambda: qh.Adam(-0.1),
        lambda: qh.Adam(np.inf),
        lambda: qh.Adam("fast"),
    ],
    "beta1": [lambda: qh.Adam(beta1=1.0), lambda: qh.Adam(beta1=-0.1)],
    "beta2": [lambda: qh.Adam(beta2=1.5), lambda: qh.Adam(beta2=np.nan)],
}


@pytest.mark.parametrize(
    ("argument", "call"), [(name, call) for name, calls in BAD_ARGUMENTS.items() for call in calls]
)
def test_a_bad_argument_is_named(argument, call):
    with pytest.raises((ValueError, TypeError), match=rf"^{argument}: expected .*, got "):
        call()
