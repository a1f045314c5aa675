"""Parameter shift and SPSA: what is particular to them."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from oracles import build, evaluate, kernel, n_params_of, prior_probabilities, random_ops

import qhypernet as qh
from qhypernet import cli, runs
from qhypernet.gradients import SPSA, Exact, ParameterShift, _samples, inactive_parameters
from qhypernet.gradients import parameter_shift as module
from qhypernet.gradients._base import Term
from qhypernet.gradients._occurrences import occurrences
from qhypernet.objectives import Target
from qhypernet.samplers import StatevectorSampler, Streams

N = 4
SELBO = qh.SELBO(weight=7.0, kernel=qh.HammingKernel((1.1, 2.4)))


def _case(seed=0, n=N, n_gates=40):
    rng = np.random.default_rng(seed)
    ops = random_ops(rng, n, n_gates)
    params = rng.uniform(-3, 3, n_params_of(ops))
    return (
        build(n, ops),
        params,
        qh.BernoulliPrior(n, rng.uniform(0.2, 0.8, n)),
        rng.normal(-4, 2, 2**n),
    )


class _Recorder:
    """A sampler without randomness: the shots are quantiles of the exact distribution."""

    def __init__(self):
        self.calls = []

    def sample(self, circuit, params, shots, streams):
        self.calls.append((circuit, params, shots, streams))
        q = circuit.simulate(params).probabilities()
        levels = (np.arange(shots) + 0.5) / shots
        index = np.array([np.searchsorted(row.cumsum(), levels) for row in q])
        index = np.minimum(index, q.shape[1] - 1)
        return ((index[..., None] >> np.arange(circuit.n_qubits)) & 1).astype(np.uint8)


@pytest.mark.parametrize("objective", [qh.MLE(), SELBO], ids=repr)
def test_shifts_of_exact_distributions_are_the_exact_gradient(objective):
    circuit, params, prior, table = _case()
    sampler, shots = _Recorder(), 40_000
    found = evaluate(ParameterShift(shots, sampler), circuit, table, prior, objective, params[None])
    exact = evaluate(Exact(), circuit, table, prior, objective, params[None])
    # A quantile is off by one shot at most, at each of 16 outcomes, for each gate of a parameter.
    scale = abs(table).max() + 2 * objective.weight
    gates = np.bincount(occurrences(circuit).owners).max()
    tolerance = 16 * gates * scale / shots
    np.testing.assert_allclose(found.gradient, exact.gradient, rtol=0, atol=tolerance)
    assert tolerance < abs(exact.gradient).max() / 10
    np.testing.assert_allclose(found.expected_nll, exact.expected_nll, atol=16 * scale / shots)
    # One batch: 2 G + 1 settings of the unshared circuit, each shifted in one place by pi/2.
    ((unshared, batch, _, streams),) = sampler.calls
    assert unshared.n_params == len(occurrences(circuit).owners)
    assert len(batch) == 2 * len(occurrences(circuit).active) + 1
    shifts = batch - batch[0]
    assert (np.count_nonzero(shifts, axis=1)[1:] == 1).all()
    np.testing.assert_allclose(abs(shifts[1:]).max(axis=1), np.pi / 2)
    assert streams.settings.tolist() == list(range(len(batch)))


def test_a_batch_of_starts_is_one_job_and_blocks_change_nothing(monkeypatch):
    circuit, params, prior, table = _case()
    rows = params + np.random.default_rng(1).uniform(-1, 1, (5, len(params)))
    sampler = _Recorder()
    evaluate(ParameterShift(6, sampler), circuit, table, prior, SELBO, rows)
    assert len(sampler.calls) == 1
    whole = evaluate(ParameterShift(6), circuit, table, prior, SELBO, rows, seed=4, step=2)
    monkeypatch.setattr(module, "_BLOCK_BYTES", 1)
    parts = evaluate(ParameterShift(6), circuit, table, prior, SELBO, rows, seed=4, step=2)
    for name in ("gradient", "expected_nll", "regularizer"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


def test_settings_that_cannot_fit_are_refused():
    circuit, params, prior, table = _case()
    for gradient in (ParameterShift(10**12), SPSA(10**13)):
        with pytest.raises(MemoryError, match=r"needs \d.* but only \d.* available"):
            evaluate(gradient, circuit, table, prior, SELBO, params[None])


def test_settings_have_independent_streams():
    circuit = qh.Circuit(1)
    circuit.ry(0)
    sampler, angles = StatevectorSampler(), np.full((4, 1), np.pi / 2)
    shots = 4000

    def draw(inits, settings, seed=1, step=0):
        return sampler.sample(
            circuit, angles, shots, Streams(seed, step, np.array(inits), np.array(settings))
        )[..., 0]

    bits = draw([0, 0, 1, 1], [0, 1, 0, 1])
    others = [draw([0, 0, 1, 1], [0, 1, 0, 1], step=1), draw([0, 0, 1, 1], [0, 1, 0, 1], seed=2)]
    rows = [*bits, *np.concatenate(others)]
    bound = 5 * np.sqrt(0.25 / shots)
    for i, a in enumerate(rows):
        assert abs(a.mean() - 0.5) < bound
        for b in rows[:i]:
            assert abs((a == b).mean() - 0.5) < bound
    np.testing.assert_array_equal(draw([1, 1, 0, 0], [0, 1, 1, 0]), bits[[2, 3, 1, 0]])


def test_samples_have_the_distribution_of_the_state():
    circuit, params, _, _ = _case()
    shots = 20_000
    streams = Streams(3, 0, np.zeros(1, dtype=int), np.zeros(1, dtype=int))
    bits = StatevectorSampler().sample(circuit, params[None], shots, streams)[0]
    q = circuit.simulate(params).probabilities()
    found = np.bincount(_samples.outcomes(bits), minlength=16) / shots
    assert (abs(found - q) <= 5 * np.sqrt(q * (1 - q) / shots)).all()


@pytest.mark.parametrize("seed", range(12))
def test_inactive_parameters_change_no_probability(seed):
    circuit, params, _, _ = _case(seed, n_gates=30)
    inactive = inactive_parameters(circuit)
    moved = params.copy()
    moved[inactive] += np.random.default_rng(seed).uniform(1, 3, len(inactive))
    q, other = circuit.simulate(np.stack([params, moved])).probabilities()
    np.testing.assert_allclose(q, other, atol=1e-14)


def test_inactive_parameters_of_the_ansatz_are_all_that_have_no_effect():
    net = qh.BinaryNetwork((2, 2, 1), activation="tanh")
    for circuit in (
        qh.ansatz.hardware_efficient(4, 1),
        qh.ansatz.hardware_efficient(4, 3),
        qh.ansatz.brickwork(5, 2),
        qh.ansatz.sign_symmetric(net, 2),
    ):
        rng = np.random.default_rng(2)
        state = circuit.simulate(rng.uniform(-3, 3, (4, circuit.n_params)))
        slopes = state.gradient(rng.normal(size=2**circuit.n_qubits))
        flat = np.flatnonzero(abs(slopes).max(axis=0) < 1e-12)
        assert inactive_parameters(circuit) == flat.tolist()
        assert len(flat)


def test_swaps_carry_phases_along():
    circuit = qh.Circuit(2, n_params=4)
    circuit.h(0)
    circuit.rz(0, param=0)  # carried to qubit 1, which is turned
    circuit.rz(1, param=1)  # the state's own phase: qubit 1 is still 0
    circuit.swap(0, 1)
    circuit.rz(0, param=2)  # now the sharp one
    circuit.ry(1, param=3)
    assert inactive_parameters(circuit) == [1, 2]


def test_a_circuit_that_has_grown_is_looked_at_again():
    circuit = qh.Circuit(1)
    circuit.h(0)
    circuit.rz(0)
    assert inactive_parameters(circuit) == [0]
    circuit.h(0)
    assert inactive_parameters(circuit) == []


def test_mean_kernels_and_embeddings_are_the_definitions(monkeypatch):
    rng = np.random.default_rng(3)
    x, y = (rng.integers(0, 2, (rows, N), dtype=np.uint8) for rows in (9, 7))
    bandwidths = list(SELBO.kernel.bandwidths)
    monkeypatch.setattr(_samples, "_MATRIX_ENTRIES", 20)
    expected = kernel(x, y, bandwidths).mean(axis=1)
    np.testing.assert_allclose(_samples.mean_kernel(x, y, bandwidths), expected, rtol=1e-13)
    _, _, prior, table = _case()
    term = Term(SELBO, Target(-table, prior), 1.0)
    every = ((np.arange(16)[:, None] >> np.arange(N)) & 1).astype(np.uint8)
    expected = kernel(x, every, bandwidths) @ prior_probabilities(prior.p_plus)
    np.testing.assert_allclose(_samples.prior_embedding(x, term), expected, rtol=1e-13)


def test_the_bias_of_spsa_falls_as_the_square_of_its_step():
    circuit = qh.ansatz.hardware_efficient(3, 1)
    params = np.random.default_rng(5).uniform(-2, 2, circuit.n_params)
    table, prior = np.random.default_rng(6).normal(-4, 2, 8), qh.BernoulliPrior(3)

    def value(at):
        found = evaluate(Exact(), circuit, table, prior, SELBO, at)
        return found.expected_nll + found.regularizer

    exact = evaluate(Exact(), circuit, table, prior, SELBO, params[None]).gradient[0]
    far, near = (
        np.linalg.norm(SPSA(2, c).mean(circuit, value, exact, params) - exact) for c in (0.1, 0.05)
    )
    assert 1e-4 < far < 0.1 * np.linalg.norm(exact)
    assert far / near == pytest.approx(4, rel=0.05)


def test_training_by_shifts_comes_down():
    circuit = qh.ansatz.hardware_efficient(3, 2)
    table = np.random.default_rng(6).normal(-8, 3, 8)
    for gradient in (ParameterShift(100), SPSA(400, 0.2)):
        r = qh.train(circuit, table, SELBO, n_inits=3, n_steps=80, gradient=gradient)
        exact = qh.train(circuit, table, SELBO, n_inits=3, n_steps=80)
        start = exact.history["objective"].values[:, 0]
        end, best = (x.history["objective"].values[:, -1] for x in (r, exact))
        assert ((start - end) > 0.5 * (start - best)).all()


def test_elbo_is_refused_with_a_reason_and_selbo_is_offered():
    for name in ("parameter_shift", "spsa"):
        with pytest.raises(ValueError, match=r"^gradient: .*log q.*infinite; SELBO needs samples"):
            qh.train(qh.Circuit(1, 1), [0, 0], qh.ELBO(), gradient=name, shots=5)


@pytest.mark.parametrize(
    ("argument", "make"),
    [
        ("shots", lambda: ParameterShift(1)),
        ("shots", lambda: SPSA(2.5)),
        ("step_size", lambda: SPSA(5, step_size=0)),
        ("shots", lambda: _train(gradient="spsa")),
        ("shots", lambda: _train(gradient="parameter_shift", shots=1)),
        ("shots", lambda: _train(gradient=SPSA(4), shots=4)),
        ("gradient", lambda: _train(gradient="parameter_shfit", shots=4)),
        ("gradient", lambda: _train(gradient=3)),
    ],
)
def test_a_bad_argument_is_named(argument, make):
    with pytest.raises((ValueError, TypeError), match=rf"^{argument}: expected .*, got "):
        make()


def _train(**options):
    return qh.train(qh.Circuit(1, 1), [0, 0], SELBO, n_inits=1, n_steps=1, **options)


def test_the_command_takes_a_gradient(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)

    def call(arguments):
        monkeypatch.setattr(sys, "argv", ["qhypernet", *arguments.split()])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return stop.value.code or 0

    quick = "train moons --inits 2 --steps 3 --out r"
    assert call(f"{quick} --gradient parameter_shift --shots 4") == 0
    assert runs.read(Path("r")).config.build_gradient() == ParameterShift(4)
    assert call("report r") == 0
    assert "parameter_shift, 4 shots of each setting a step" in Path("r/report.html").read_text()
    capsys.readouterr()
    quick = quick[:-1]
    assert call(f"{quick} a --gradient spsa") == 1
    assert "shots: expected a number of shots" in capsys.readouterr().err
    assert call(f"{quick} b --gradient spsa --shots 4 --objective elbo") == 1
    assert re.search(r"gradient: expected .* SELBO needs samples only", capsys.readouterr().err)
    assert call(f"{quick} c --gradient shift") == 1
    assert re.search(r"training.gradient: expected .*'spsa'", capsys.readouterr().err)
    assert sorted(path.name for path in Path().iterdir()) == ["r"]
