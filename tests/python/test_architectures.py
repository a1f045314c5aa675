"""Bits that choose the architecture, against a network that reads them unit by unit."""

from __future__ import annotations

import math
import pickle
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from oracles import all_bits
from scipy.special import expit, log_expit, log_softmax, softmax

import qhypernet as qh
from qhypernet import cli, runs
from qhypernet.baselines import _compare
from qhypernet.config import RunConfig

# Sums over points and layers of numbers of order 1.
TOLERANCE = 1e-11
FUNCTIONS = {
    "sign": lambda v: 1.0 if v >= 0 else -1.0,
    "tanh": math.tanh,
    "relu": lambda v: max(v, 0.0),
    "sigmoid": expit,
    "identity": lambda v: v,
}
NETS = [
    qh.BinaryNetwork((2, 2, 1), ("tanh", "sign"), removable=True),
    qh.BinaryNetwork((1, 1, 1, 1), ("relu", "tanh"), removable=True),
    qh.BinaryNetwork((1, 2, 1, 1), ("sign", "tanh"), logit_scale=0.7),
    qh.BinaryNetwork((1, 1, 2), ("sign", "tanh", "relu", "sigmoid"), bias=False, removable=True),
    qh.BinaryNetwork((2, 2, 1), "identity", removable=True, likelihood="gaussian", noise=0.6),
    qh.BinaryNetwork((3, 1), ("sign", "tanh"), removable=True),
]


def _logits(net, row, x):
    """Logits (K,) of one network at one point; the bits are read from the definition."""
    n = sum((a + net.bias) * b for a, b in zip(net.layers, net.layers[1:], strict=False))
    weights, choices = iter(1.0 - 2.0 * row[:n]), iter(int(bit) for bit in row[n:])
    units = [float(v) for v in x]
    for layer, n_out in enumerate(net.layers[1:]):
        sums = [0.0] * n_out
        for value in units:
            for j in range(n_out):
                sums[j] += value * next(weights)
        for j in range(n_out if net.bias else 0):
            sums[j] += next(weights)
        if layer == len(net.layers) - 2:
            break
        number = sum(next(choices) << k for k in range({1: 0, 2: 1, 4: 2}[len(net.activations)]))
        function = FUNCTIONS[net.activations[number]]
        units = [function(v) for v in sums]
        if net.removable:
            units = [value * (1 - next(choices)) for value in units]
    assert next(weights, None) is None
    assert next(choices, None) is None
    return net.logit_scale * np.array(sums)


@cache
def _case(net):
    rng = np.random.default_rng(0)
    # The constant keeps sums away from 0, where sign jumps.
    X = rng.normal(size=(3, net.layers[0])) + 0.017
    bits = all_bits(net.n_weights)
    logits = np.array([[_logits(net, row, x) for x in X] for row in bits])
    if net.likelihood == "gaussian":
        y = rng.normal(size=3)
        terms = -(((y - logits[..., 0]) / net.noise) ** 2) / 2
        terms -= math.log(net.noise * math.sqrt(2 * math.pi))
    else:
        y = np.arange(3) % net.n_classes
        if net.n_classes == 2 and net.layers[-1] == 1:
            terms = log_expit((2 * y - 1) * logits[..., 0])
        else:
            terms = log_softmax(logits, axis=2)[:, np.arange(3), y]
    return X, y, bits, logits, terms.sum(axis=1)


@pytest.mark.parametrize("net", NETS, ids=repr)
def test_every_network_is_what_its_bits_say(net):
    X, y, bits, logits, log_likelihood = _case(net)
    np.testing.assert_allclose(net.logits(bits, X), logits, atol=TOLERANCE)
    np.testing.assert_allclose(net.log_likelihood_table(X, y), log_likelihood, atol=TOLERANCE)
    rows = np.random.default_rng(1).permutation(len(bits))[:37]
    found = net.log_likelihood(bits[rows], X, y)
    np.testing.assert_allclose(found, log_likelihood[rows], atol=TOLERANCE)
    assert len(np.unique(log_likelihood.round(9))) > 3


@pytest.mark.parametrize("net", NETS, ids=repr)
@pytest.mark.parametrize("given", [False, True], ids=["all", "given"])
def test_predictions_are_averages_over_all_architectures(net, given):
    X, _, bits, logits, _ = _case(net)
    rng = np.random.default_rng(2)
    rows = rng.permutation(len(bits))[:23] if given else np.arange(len(bits))
    q = rng.dirichlet(np.full(len(rows), 0.3), size=3)
    q[1] = np.eye(len(rows))[4]  # nearly all architectures have no part in it
    own = bits[rows] if given else None
    if net.likelihood == "gaussian":
        found = qh.regress(net, X, q, bits=own)
        mean = np.tensordot(q, logits[rows], 1)
        np.testing.assert_allclose(found.mean, mean, atol=TOLERANCE)
        square = np.tensordot(q, logits[rows] ** 2, 1)
        spread = np.sqrt(np.maximum(square - mean**2, 0))
        np.testing.assert_allclose(found.epistemic, spread, atol=1e-7)
        return
    outputs = logits[rows]
    if net.layers[-1] == 1:
        outputs = np.concatenate([np.zeros_like(outputs), outputs], axis=2)
    p = softmax(outputs, axis=2)
    entropy = -(p * np.log(p)).sum(axis=2)
    found = qh.predict(net, X, q, bits=own)
    np.testing.assert_allclose(found.probabilities, np.tensordot(q, p, 1), atol=TOLERANCE)
    np.testing.assert_allclose(found.aleatoric, q @ entropy, atol=TOLERANCE)
    votes = np.eye(p.shape[2])[outputs.argmax(axis=2)]
    np.testing.assert_allclose(found.votes, np.tensordot(q, votes, 1), atol=TOLERANCE)


def test_networks_are_sent_to_other_processes_whole():
    for net in NETS:
        again = pickle.loads(pickle.dumps(net))
        assert (again.activation, again.removable) == (net.activation, net.removable)
        X, _, bits, logits, _ = _case(net)
        np.testing.assert_allclose(again.logits(bits, X), logits, atol=TOLERANCE)


def test_the_bits_and_names_of_architectures():
    net = NETS[0]
    assert (net.n_weights, net.n_architecture) == (12, 3)
    assert net.architectures == [
        "tanh, 2 of 2 units",
        "sign, 2 of 2 units",
        "tanh, 1 of 2 units",
        "sign, 1 of 2 units",
        "tanh, 1 of 2 units",
        "sign, 1 of 2 units",
        "tanh, 0 of 2 units",
        "sign, 0 of 2 units",
    ]
    q = np.random.default_rng(0).dirichlet(np.ones(2**12))
    found = net.architecture_probabilities(q)
    n = np.arange(2**12) >> 9
    assert len(found) == 6
    assert abs(found["sign, 1 of 2 units"] - q[(n == 3) | (n == 5)].sum()) < 1e-12
    assert qh.BinaryNetwork((2, 2, 1)).architectures == ["sign"]
    assert NETS[2].architectures == ["sign; sign", "tanh; sign", "sign; tanh", "tanh; tanh"]
    # Without hidden units there is nothing to choose.
    assert (NETS[5].n_architecture, NETS[5].activation, NETS[5].removable) == (0, "sign", False)


def test_a_circuit_with_the_sign_symmetry_leaves_the_architecture_alone():
    net = NETS[0]
    circuit = qh.ansatz.sign_symmetric(net, 1)
    params = np.random.default_rng(3).uniform(-3, 3, circuit.n_params)
    q = circuit.simulate(params).probabilities()
    flip = sum(1 << int(i) for i in (0, 2, 4, 6))  # in-weights, bias and out-weight of unit 0
    np.testing.assert_allclose(q[np.arange(2**12) ^ flip], q, atol=1e-12)
    assert len(np.unique(q.reshape(8, -1).sum(axis=1).round(6))) > 4
    with pytest.raises(ValueError, match=r"^net: expected an odd activation"):
        qh.ansatz.sign_symmetric(qh.BinaryNetwork((2, 2, 1), ("tanh", "relu")), 1)


def test_baselines_that_need_no_derivative_are_compared():
    data = qh.datasets.moons(30)
    net = qh.BinaryNetwork((2, 1, 1), ("tanh", "sign"), removable=True)
    problem = qh.Problem(net, data.X_train, data.y_train)
    names = list(_compare._named(None, problem))
    assert "straight-through" not in names
    assert "BayesBiNN" not in names
    assert {"mean field", "symmetric Gibbs sampling"} <= set(names)
    comparison = qh.baselines.compare(
        problem, data.X_test, data.y_test, methods=["mean field"], n_inits=1
    )
    assert comparison["median"].sel(model="exact posterior", metric="kl") < 1e-9
    with pytest.raises(ValueError, match=r"^net: expected a network of fixed architecture.*, got"):
        qh.baselines.StraightThrough().fit(problem, n_inits=1)


def test_the_search_finds_the_architecture_that_the_data_have():
    """Data of a sign network of one unit: the posterior says so, and a trained circuit follows."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 1))
    net = qh.BinaryNetwork((1, 1, 1), ("tanh", "sign"), logit_scale=2.0, removable=True)
    y = rng.random(300) < expit(2.0 * (np.sign(X[:, 0] + 1) + 1))
    problem = qh.Problem(net, X, y.astype(int))
    posterior = qh.exact_posterior(problem.table)
    exact = net.architecture_probabilities(posterior.probabilities)
    assert exact["sign, 1 of 1 units"] > 0.9
    circuit = qh.ansatz.brickwork(net.n_weights, 4)
    trained = qh.train(
        circuit, problem, qh.ELBO(qh.Schedule(50, 1)), n_inits=4, n_steps=150, start="near_uniform"
    )
    q = trained.probabilities()
    best = q[posterior.kl_from(q).argmin()]
    found = net.architecture_probabilities(best)
    assert abs(found["sign, 1 of 1 units"] - exact["sign, 1 of 1 units"]) < 0.05


def _call(*arguments, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["qhypernet", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return int(stop.value.code or 0)


def test_from_the_command_to_the_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    argv = ["train", "moons", "--hidden", "2", "--activation", "sign,tanh", "--removable"]
    assert _call(*argv, "--inits", "2", "--steps", "5", "--out", "r", monkeypatch=monkeypatch) == 0
    run = runs.read(Path("r"))
    assert (run.net.n_weights, run.net.n_architecture) == (12, 3)
    assert _call("report", "r", monkeypatch=monkeypatch) == 0
    page = Path("r/report.html").read_text()
    assert "hidden units: sign or tanh, removable" in page
    assert "tanh, 1 of 2 units" in page
    with pytest.raises(ValueError, match=r"^source: expected networks of one architecture"):
        qh.export.to_npz(run, "r.npz")


def test_one_activation_is_written_as_one():
    content = {"data": {"source": "moons"}, "network": {"activation": "tanh"}}
    config = RunConfig.parse(content, "test")
    assert 'activation = "tanh"' in config.to_toml()
    config = RunConfig.parse(content | {"network": {"activation": ["sign", "relu"]}}, "test")
    assert config.network.activation == ("sign", "relu")
    with pytest.raises(ValueError, match=r"network.activation: expected 'sign', .* got 'cosh'"):
        RunConfig.parse(content | {"network": {"activation": "tanh,cosh"}}, "test")


@pytest.mark.parametrize(
    "arguments",
    [
        {"activation": ("sign", "tanh", "relu")},
        {"activation": ("sign", "sign")},
        {"activation": ()},
        {"activation": ("sign", "cosh")},
        {"removable": 1},
    ],
)
def test_a_bad_argument_is_named(arguments):
    (name,) = arguments
    with pytest.raises((ValueError, TypeError), match=rf"^{name}: expected .*, got "):
        qh.BinaryNetwork((2, 2, 1), **arguments)
