"""Binary networks against loops over weights, units and points; their sign symmetry."""

import os
import subprocess
import sys

import numpy as np
import pytest
from oracles import all_bits, log_likelihood, logits

import qhypernet as qh
from qhypernet import _core

# Sums of at most a few hundred terms of about 1, in another order than the loop's.
LOGIT_TOLERANCE = 1e-12
# Log-likelihoods are sums over points of terms good to a few roundings; a sure prediction's is the
# logarithm of nearly 1, which is good to a rounding of 1 only.
RELATIVE_TOLERANCE = 1e-12
LOG_OF_ONE_TOLERANCE = 1e-14
# Circuits and tables are symmetric up to rounding.
SYMMETRY_TOLERANCE = 1e-13

ACTIVATIONS = ("sign", "tanh", "relu", "sigmoid", "identity")
SHAPES = [(1, 1), (3, 1), (2, 3, 1), (3, 2, 2, 1), (2, 3), (2, 2, 3), (1, 4, 2, 2)]


def _data(net, n_points, rng):
    X = rng.normal(0.3, 1.4, (n_points, net.layers[0]))
    if net.likelihood == "gaussian":
        return X, rng.normal(size=(n_points, net.layers[-1]))
    return X, rng.integers(net.n_classes, size=n_points)


def _assert_close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=RELATIVE_TOLERANCE, atol=LOG_OF_ONE_TOLERANCE)


def _assert_equals_loop(net, bits, X, y):
    expected = np.array([[logits(net, row, x) for x in X] for row in bits])
    tolerance = LOGIT_TOLERANCE * net.logit_scale
    np.testing.assert_allclose(net.logits(bits, X), expected, rtol=0, atol=tolerance)
    expected = [log_likelihood(net, row, X, y) for row in bits]
    found = net.log_likelihood(bits, X, y)
    _assert_close(found, expected)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("layers", SHAPES, ids=str)
def test_logits_and_likelihood_equal_a_loop(layers, bias, activation):
    rng = np.random.default_rng([*layers, bias])
    for likelihood in (None, "gaussian"):
        net = qh.BinaryNetwork(
            layers, activation, bias, logit_scale=0.7, likelihood=likelihood, noise=1.3
        )
        bits = rng.integers(2, size=(9, net.n_weights), dtype=np.uint8)
        _assert_equals_loop(net, bits, *_data(net, 7, rng))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("layers", [(2, 2, 1), (2, 2, 2), (3, 1, 2, 1)], ids=str)
@pytest.mark.parametrize("n_points", [1, 70])
def test_the_table_has_every_network_in_order(layers, activation, n_points):
    rng = np.random.default_rng([*layers, n_points])
    net = qh.BinaryNetwork(layers, activation, logit_scale=1.6)
    X, y = _data(net, n_points, rng)
    table = net.log_likelihood_table(X, y)
    bits = all_bits(net.n_weights)
    assert table.shape == (2**net.n_weights,)
    _assert_close(table, net.log_likelihood(bits, X, y))
    some = rng.choice(len(table), 25, replace=False)
    expected = [log_likelihood(net, bits[i], X, y) for i in some]
    _assert_close(table[some], expected)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("likelihood", ["gaussian", "categorical"])
def test_the_table_for_other_likelihoods_and_without_bias(likelihood, bias):
    rng = np.random.default_rng(int(bias))
    net = qh.BinaryNetwork((2, 2, 3), "tanh", bias, likelihood=likelihood, noise=0.8)
    X, y = _data(net, 13, rng)
    table = net.log_likelihood_table(X, y)
    bits = all_bits(net.n_weights)
    for i in rng.choice(len(table), 40, replace=False):
        expected = log_likelihood(net, bits[i], X, y)
        _assert_close(table[i], expected)


@pytest.mark.parametrize("activation", ["sign", "tanh"])
@pytest.mark.parametrize("layers", [(5, 12, 1), (7, 10, 3), (4, 70, 1), (80, 1), (3, 9, 8, 2)])
def test_networks_of_more_than_64_weights(layers, activation):
    rng = np.random.default_rng(sum(layers))
    net = qh.BinaryNetwork(layers, activation, logit_scale=0.2)
    assert net.n_weights > 64
    bits = rng.integers(2, size=(5, net.n_weights), dtype=np.uint8)
    _assert_equals_loop(net, bits, *_data(net, 4, rng))


@pytest.mark.parametrize("n_points", [1, 7, 8, 63, 64, 65, 200])
def test_any_number_of_points(n_points):
    rng = np.random.default_rng(n_points)
    for layers, activation in (((2, 3, 1), "sign"), ((2, 3, 2), "sigmoid")):
        net = qh.BinaryNetwork(layers, activation)
        bits = rng.integers(2, size=(3, net.n_weights), dtype=np.uint8)
        _assert_equals_loop(net, bits, *_data(net, n_points, rng))


def test_the_sign_of_zero_is_plus_one():
    net = qh.BinaryNetwork((2, 2, 1), "sign", bias=False)
    bits = all_bits(6)
    # The hidden units' sums are 0 at the origin, and where equal inputs have opposite weights.
    for point in ([0.0, 0.0], [-0.0, 0.0], [1.5, 1.5], [-2.0, 2.0]):
        expected = [[logits(net, row, np.array(point))] for row in bits]
        np.testing.assert_array_equal(net.logits(bits, [point]), expected)
    out_weights = 1 - 2.0 * bits[:, 4:]
    np.testing.assert_array_equal(net.logits(bits, [[0.0, 0.0]])[:, 0, 0], out_weights.sum(axis=1))
    table = net.log_likelihood_table([[0.0, 0.0], [1.5, 1.5]], [1, 0])
    expected = net.log_likelihood(bits, [[0.0, 0.0], [1.5, 1.5]], [1, 0])
    _assert_close(table, expected)


def test_extreme_logits_stay_finite():
    net = qh.BinaryNetwork((1, 1), bias=False, logit_scale=1e4)
    table = net.log_likelihood_table([[1.0], [1.0]], [1, 0])
    _assert_close(table, [-1e4, -1e4])
    net = qh.BinaryNetwork((1, 3), bias=False, logit_scale=1e4)
    table = net.log_likelihood_table([[1.0]], [1])
    plus = 1 - 2 * all_bits(3)[:, 1].astype(float)
    best = (1 - 2 * all_bits(3).astype(float)).max(axis=1)
    n_best = (1 - 2 * all_bits(3).astype(float) == best[:, None]).sum(axis=1)
    np.testing.assert_allclose(table, 1e4 * (plus - best) - np.log(n_best), rtol=1e-11)


LEVELS = ("baseline", "avx2", "avx512")
SIGN_LOGITS = """
import sys, numpy as np, qhypernet as qh
from qhypernet import _core
assert _core.simd_level() == sys.argv[1], _core.simd_level()
rng = np.random.default_rng(3)
numbers = []
for layers in [(2, 5, 1), (3, 9, 7, 1), (40, 21, 3)]:
    net = qh.BinaryNetwork(layers)
    bits = rng.integers(0, 2, (70, net.n_weights), dtype=np.uint8)
    for n_points in (63, 65, 520):
        X = rng.normal(size=(n_points, layers[0])).round(1)
        numbers += [net.logits(bits, X), net.log_likelihood(bits, X, np.arange(n_points) % 2)]
np.savez(sys.argv[2], *numbers)
"""


@pytest.mark.parametrize("level", LEVELS[: LEVELS.index(_core.simd_level())])
def test_sign_networks_are_exact_with_every_instruction_set(level, tmp_path):
    results = []
    for name in (level, _core.simd_level()):
        path = f"{tmp_path}/{name}.npz"
        command = [sys.executable, "-c", SIGN_LOGITS, name, path]
        subprocess.run(command, env={**os.environ, "QHYPERNET_SIMD": name}, check=True)
        with np.load(path) as file:
            results.append([file[key] for key in file.files])
    for i, (lower, best) in enumerate(zip(*results, strict=True)):
        if i % 2 == 0:  # logits: integers
            np.testing.assert_array_equal(lower, best)
        else:
            np.testing.assert_allclose(lower, best, rtol=1e-12)


def test_the_layout_is_the_flat_order():
    net = qh.BinaryNetwork((2, 3, 1))
    (first, first_bias), (second, second_bias) = net.layout
    assert (net.n_weights, net.n_classes) == (13, 2)
    np.testing.assert_array_equal(first, [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(first_bias, [6, 7, 8])
    np.testing.assert_array_equal(second, [[9], [10], [11]])
    np.testing.assert_array_equal(second_bias, [12])
    assert qh.BinaryNetwork((2, 3, 1), bias=False).n_weights == 9
    assert qh.BinaryNetwork((2, 4), likelihood="gaussian").n_classes == 0


def _flips(net):
    """For each hidden unit, the mask of the weights into and out of it, and of its bias."""
    sizes = [(a + 1) * b for a, b in zip(net.layers, net.layers[1:], strict=False)]
    starts = np.cumsum([0, *sizes])
    for layer in range(len(net.layers) - 2):
        n_in, n_units, n_out = net.layers[layer : layer + 3]
        for unit in range(n_units):
            into = [starts[layer] + i * n_units + unit for i in range(n_in + 1)]
            out = [starts[layer + 1] + unit * n_out + k for k in range(n_out)]
            yield sum(1 << int(position) for position in into + out)


@pytest.mark.parametrize("layers", [(2, 3, 1), (2, 2, 2), (2, 2, 2, 1)], ids=str)
@pytest.mark.parametrize("activation", ["tanh", "sign", "identity"])
def test_sign_symmetric_circuits_have_the_symmetry_of_the_network(layers, activation):
    net = qh.BinaryNetwork(layers, activation)
    rng = np.random.default_rng(sum(layers))
    circuit = qh.ansatz.sign_symmetric(net, 3)
    assert circuit.n_qubits == net.n_weights
    q = circuit.simulate(rng.uniform(-3, 3, (2, circuit.n_params))).probabilities()
    table = net.log_likelihood_table(*_data(net, 5, rng))
    outcomes = np.arange(2**net.n_weights)
    flips = list(_flips(net))
    assert len(flips) == sum(layers[1:-1])
    for mask in flips:
        np.testing.assert_allclose(q, q[:, outcomes ^ mask], rtol=0, atol=SYMMETRY_TOLERANCE)
        _assert_close(table, table[outcomes ^ mask])
    # No other flip of a single bit leaves it as it is, or the test would show nothing.
    for bit in range(net.n_weights):
        assert abs(q - q[:, outcomes ^ (1 << bit)]).max() > 1e-4


@pytest.mark.parametrize("layers", [(2, 3, 1), (2, 2, 2)], ids=str)
def test_sign_symmetric_circuits_are_free_on_the_rest(layers):
    net = qh.BinaryNetwork(layers, "tanh")
    circuit = qh.ansatz.sign_symmetric(net, 2)
    n_units, n_out = layers[1], layers[2]
    start = (layers[0] + 1) * n_units
    references = [start + unit * n_out for unit in range(n_units)]
    others = [q for q in range(net.n_weights) if q not in references]
    free = qh.ansatz.hardware_efficient(len(others), 2)
    assert circuit.n_params == free.n_params
    params = np.random.default_rng(1).uniform(-3, 3, free.n_params)
    bits = all_bits(len(others)).astype(np.int64)
    at_plus = bits @ (1 << np.array(others))  # Out-weights +1: nothing is flipped.
    q = circuit.simulate(params).probabilities()[at_plus] * 2**n_units
    expected = free.simulate(params).probabilities()
    np.testing.assert_allclose(q, expected, rtol=0, atol=SYMMETRY_TOLERANCE)


def test_sign_symmetric_refuses_activations_that_are_not_odd():
    for activation in ("relu", "sigmoid"):
        with pytest.raises(ValueError, match=r"^net: expected an odd activation.*got '\w+'"):
            qh.ansatz.sign_symmetric(qh.BinaryNetwork((2, 3, 1), activation), 2)


NET = qh.BinaryNetwork((2, 1))
X = [[0.1, -0.2], [0.3, 0.5]]
BAD_NETWORKS = {
    "layers": [
        lambda: qh.BinaryNetwork((2,)),
        lambda: qh.BinaryNetwork((2, 0, 1)),
        lambda: qh.BinaryNetwork((2, 1.5)),
        lambda: qh.BinaryNetwork((2, 2), likelihood="bernoulli"),
        lambda: qh.BinaryNetwork((2, 1), likelihood="categorical"),
        lambda: qh.BinaryNetwork((9, 9, 1)).log_likelihood_table(np.zeros((1, 9)), [0]),
    ],
    "activation": [lambda: qh.BinaryNetwork((2, 1), "silu")],
    "likelihood": [lambda: qh.BinaryNetwork((2, 1), likelihood="poisson")],
    "logit_scale": [lambda: qh.BinaryNetwork((2, 1), logit_scale=0)],
    "noise": [lambda: qh.BinaryNetwork((2, 1), likelihood="gaussian", noise=-1)],
    "X": [
        lambda: NET.log_likelihood_table([[0.1, np.nan]], [0]),
        lambda: NET.log_likelihood_table([[0.1, np.inf]], [0]),
        lambda: NET.logits([[0, 1, 1]], [0.1, 0.2]),
        lambda: NET.logits([[0, 1, 1]], [[0.1, 0.2, 0.3]]),
        lambda: NET.logits([[0, 1, 1]], np.zeros((0, 2))),
        lambda: qh.Problem(NET, [[0.1], [0.2]], [0, 1]),
    ],
    "y": [
        lambda: NET.log_likelihood_table(X, [0, 2]),
        lambda: NET.log_likelihood_table(X, [0, 0.5]),
        lambda: NET.log_likelihood_table(X, [0, np.nan]),
        lambda: NET.log_likelihood_table(X, [0, 1, 1]),
        lambda: NET.log_likelihood_table(X, [[0], [1]]),
        lambda: qh.BinaryNetwork((2, 3)).log_likelihood_table(X, [0, 3]),
        lambda: qh.Problem(NET, X, [1, 1]),
        lambda: qh.Problem(NET, X, [0, np.nan]),
        lambda: qh.Problem(NET, X, [0, 1, 1]),
        lambda: qh.Problem(NET, X, [0, 2]),
    ],
    "bits": [
        lambda: NET.logits([[0, 1, 2]], X),
        lambda: NET.logits([[0, 1, -1]], X),
        lambda: NET.logits([[0, 1]], X),
        lambda: NET.logits([0, 1, 1], X),
        lambda: NET.logits([[0.0, 1.0, 1.0]], X),
    ],
}


@pytest.mark.parametrize(
    ("argument", "call"), [(name, call) for name, calls in BAD_NETWORKS.items() for call in calls]
)
def test_a_bad_argument_is_named(argument, call):
    with pytest.raises((ValueError, TypeError), match=rf"^{argument}: expected .*, got "):
        call()


def test_a_table_that_cannot_fit_is_refused():
    net = qh.BinaryNetwork((5, 5, 1))  # 36 weights: 512 GiB.
    with pytest.raises(MemoryError, match=r"needs \d.* but only \d.* available"):
        net.log_likelihood_table(np.zeros((1, 5)), [0])
