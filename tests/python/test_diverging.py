"""Initialisations that diverge are set aside, and the others do not notice."""

import re
import signal
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import qhypernet as qh
from qhypernet import _stretch, cli, evaluation, runs
from qhypernet.gradients import Evaluation, Exact

HISTORY = ("objective", "expected_nll", "regularizer", "gradient_norm")
N_STEPS = 12
CIRCUIT = qh.ansatz.hardware_efficient(3, 2)
TABLE = np.random.default_rng(4).normal(-8, 3, 8)
SAMPLED = {"gradient": "sampled", "shots": 6}


def _train(**options):
    settings = {"n_inits": 4, "n_steps": N_STEPS, "seed": 5} | options
    return qh.train(CIRCUIT, TABLE, qh.ELBO(), **settings)


def _spoil(monkeypatch, at_step, row, part, value, interrupt=None):
    """At ``at_step`` one row of what the gradient gives is ``value``."""
    original = Exact.__call__

    def call(self, *args, step, **options):
        found = original(self, *args, step=step, **options)
        parts = {name: getattr(found, name) for name in ("expected_nll", "regularizer", "gradient")}
        if step == at_step:
            parts[part][row] = value
        if step == interrupt:
            signal.raise_signal(signal.SIGINT)
        return Evaluation(**parts)

    monkeypatch.setattr(Exact, "__call__", call)
    monkeypatch.setattr(_stretch, "MOST", 1)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e200])
@pytest.mark.parametrize("part", ["regularizer", "gradient"])
@pytest.mark.parametrize("at_step", [0, 5])
def test_others_go_on_bit_for_bit(monkeypatch, at_step, part, value):
    if part == "regularizer" and value == 1e200:
        value = -np.inf
    whole = _train()
    until = _train(n_steps=max(at_step, 1))
    _spoil(monkeypatch, at_step, 2, part, value)
    with pytest.warns(RuntimeWarning, match=r"diverged in 1 of 4 init.*aside: \[2\]; lower the"):
        r = _train()
    good = np.array([True, True, False, True])
    np.testing.assert_array_equal(r.failed, ~good)
    np.testing.assert_array_equal(r.history["failed"], ~good)
    np.testing.assert_array_equal(r.params[good], whole.params[good])
    for name in HISTORY:
        found, expected = r.history[name].values, whole.history[name].values
        np.testing.assert_array_equal(found[good], expected[good])
        np.testing.assert_array_equal(found[2, :at_step], expected[2, :at_step])
        assert np.isnan(found[2, at_step:]).all()
    # Its last finite parameters: those at which it was found to diverge.
    if at_step:
        np.testing.assert_array_equal(r.params[2], until.params[2])


@pytest.mark.parametrize("options", [{}, SAMPLED], ids=["exact", "sampled"])
def test_parameters_that_overflow(options):
    # Adam moves each parameter by about its rate, so that only the last row leaves the doubles.
    start = np.random.default_rng(1).uniform(-3, 3, (3, CIRCUIT.n_params))
    rate = qh.Adam(1e307)
    few = _train(n_inits=2, start=start[:2], optimizer=rate, n_steps=3, **options)
    start[2] = np.sign(start[2]) * 1.79e308
    with pytest.warns(RuntimeWarning, match=r"aside: \[2\]"):
        r = _train(n_inits=3, start=start, optimizer=rate, n_steps=3, **options)
    np.testing.assert_array_equal(r.params[:2], few.params)
    assert r.failed.tolist() == [False, False, True]
    assert np.isfinite(r.params).all()


def test_all_diverging_is_an_error(monkeypatch):
    _spoil(monkeypatch, 3, slice(None), "gradient", np.nan)
    with pytest.raises(ValueError, match=r"diverged at step 4 in all 4 init.*; lower the"):
        _train()


def test_nothing_failed_and_seconds_pass():
    r = _train()
    assert r.failed.dtype == bool
    assert not r.failed.any()
    assert 0 < r.seconds < 60


@pytest.mark.parametrize("interrupt", [2, 7])
def test_what_was_set_aside_stays_so_after_an_interruption(monkeypatch, tmp_path, interrupt):
    _spoil(monkeypatch, 5, 1, "gradient", np.nan)
    with pytest.warns(RuntimeWarning, match="diverged"):
        expected = _train()
    monkeypatch.undo()
    _spoil(monkeypatch, 5, 1, "gradient", np.nan, interrupt=interrupt)
    with pytest.raises(qh.Interrupted):
        _train(checkpoint=tmp_path / "c.nc")
    monkeypatch.undo()
    if interrupt == 2:
        _spoil(monkeypatch, 5, 1, "gradient", np.nan)
    with pytest.warns(RuntimeWarning, match="diverged"):
        r = _train(checkpoint=tmp_path / "c.nc")
    np.testing.assert_array_equal(r.failed, [False, True, False, False])
    np.testing.assert_array_equal(r.params, expected.params)
    for name in HISTORY:
        np.testing.assert_array_equal(r.history[name], expected.history[name])
    again = _train_quietly(checkpoint=tmp_path / "c.nc")
    # Nothing was left to do, so the time is that of the steps before.
    assert r.seconds <= again.seconds < r.seconds + 1


def _train_quietly(**options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _train(**options)


def test_a_run_says_how_many_were_set_aside(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    _spoil(monkeypatch, 4, 1, "gradient", np.nan)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["qhypernet", *arguments])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        assert not stop.value.code
        return capsys.readouterr().out

    out = call("train", "moons", "--inits", "3", "--steps", "9", "--out", "r")
    assert "trained, median of 2 starts (1 diverged)" in out
    assert "1 of 3 starts diverged and were set aside: [1]" in out
    run = runs.read(Path("r"))
    np.testing.assert_array_equal(run.failed, [False, True, False])
    good = run.result["trained"].values[[0, 2]]
    np.testing.assert_array_equal(evaluation.summary(run.result)[1][0], np.median(good, axis=0))
    # The nearest to the posterior is looked for among the others.
    run.result["trained"].loc[{"metric": "kl"}] = [2.0, 1.0, 3.0]
    assert run.best_init() == 0
    call("report", "r")
    page = Path("r/report.html").read_text()
    assert re.search(r"1 of 3 starts diverged and were set aside", page)
    assert "median of 2 starts" in page


def test_a_comparison_leaves_them_out(monkeypatch):
    net = qh.BinaryNetwork((1, 1, 1))
    problem = qh.Problem(net, [[0.4], [-1.0], [2.0]], [0, 1, 1])
    circuit = qh.ansatz.brickwork(net.n_weights, 2)
    _spoil(monkeypatch, 2, 0, "gradient", np.nan)
    with pytest.warns(RuntimeWarning, match="diverged"):
        trained = qh.train(circuit, problem, qh.ELBO(), n_inits=3, n_steps=4)
    found = qh.baselines.compare(
        problem, problem.X, problem.y, trained={"qhn": trained}, methods=[]
    )
    row = found.sel(model="qhn")
    assert int(row["failed"]) == 1
    assert float(row["seconds"]) == trained.seconds
    assert np.isnan(row["values"].values[0]).all()
    assert np.isfinite(row["values"].values[1:3]).all()
