"""The experiments of ``qhypernet reproduce``: their numbers against their runs, worked out anew."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import qhypernet as qh
from qhypernet import cli, runs
from qhypernet.config import RunConfig
from qhypernet.experiments import EXPERIMENTS, Findings, Work, accuracy, gradients

INITS = 3


@pytest.fixture(autouse=True)
def _small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few initialisations, few steps, two data sets of few points."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(Work, "inits", INITS)
    original = runs.execute

    def execute(config: RunConfig, folder: Path, **options: object) -> runs.Run:
        small = {"training.steps": 12, "data.n_samples": 40, "network.hidden": [2]}
        return original(config.replace(small), folder, **options)

    monkeypatch.setattr(runs, "execute", execute)


def _call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["qhypernet", *arguments])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return int(stopped.value.code or 0)


def _run(name: str, quick: bool = True) -> tuple[Findings, list[str]]:
    said: list[str] = []
    return EXPERIMENTS[name].run(Work(Path("out"), quick, said.append)), said


def _runs() -> list[runs.Run]:
    return [runs.read(path) for path in Path("out/runs").iterdir() if path.is_dir()]


def _results() -> dict[tuple[str, str], xr.Dataset]:
    return {(run.config.data.source, run.config.objective.name): run.result for run in _runs()}


def test_the_list_names_all_and_what_is_unknown_is_told(monkeypatch, capsys):
    assert _call(monkeypatch, "reproduce", "--list") == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in EXPERIMENTS)
    assert _call(monkeypatch, "reproduce") == 1
    assert "names: expected all or some of fig2, fig3" in capsys.readouterr().err
    assert _call(monkeypatch, "reproduce", "fig33") == 1
    assert re.search("names: .*fig33.*did you mean 'fig3'", capsys.readouterr().err)
    assert not list(Path().iterdir())


def test_files_are_written_and_nothing_is_run_twice(monkeypatch, capsys):
    assert _call(monkeypatch, "reproduce", "fig2", "fig3", "--quick", "--out", "o") == 0
    assert "selbo" in capsys.readouterr().out
    written = {path.name: path.read_bytes() for path in Path("o/quick").iterdir() if path.is_file()}
    assert {"fig2-1.png", "fig2.csv", "fig3.md", "fig3-1.png", "report.html"} <= set(written)
    text = written["fig3.md"].decode()
    assert "`qhypernet reproduce fig3 --quick`" in text
    assert "](fig3-1.png)" in text
    assert len(pd.read_csv("o/quick/fig3.csv")) == 2 * 3 * 12
    assert _call(monkeypatch, "reproduce", "fig2", "fig3", "--quick", "--out", "o") == 0
    assert "elbo" not in capsys.readouterr().out
    for name, content in written.items():
        assert Path("o/quick", name).read_bytes() == content


def test_means_of_figure_3_are_those_of_its_runs():
    findings, said = _run("fig3")
    assert len(said) == 2
    numbers = findings.data.set_index(["objective", "part", "step"]).sort_index()
    for (data, objective), result in _results().items():
        assert data == "gaussian"
        for part in ("objective", "expected_nll", "regularizer"):
            own = numbers.loc[objective.upper(), part]
            np.testing.assert_allclose(own["mean"], result[part].mean("init"), rtol=1e-12)
            error = result[part].std("init") * (INITS / (INITS - 1)) ** 0.5 / INITS**0.5
            np.testing.assert_allclose(own["standard error"], error, rtol=1e-9)


def test_figure_4_names_the_objective_that_ends_nearest_to_the_posterior():
    findings, said = _run("fig4")
    assert len(said) == 9
    (figure,) = findings.figures.values()
    assert figure._repr_svg_()[0].count("<svg") == 1  # Notebooks show it.
    (table,) = findings.tables.values()
    results = _results()
    for data in ("gaussian", "moons", "rings"):
        some = next(run for run in _runs() if run.config.data.source == data)
        exact = float(table.loc["exact posterior", data])
        posterior = qh.exact_posterior(some.problem().table)
        expected = -posterior.probabilities @ some.problem().table
        assert exact == pytest.approx(expected, abs=0.05)
        away = {
            o: float(results[data, o]["expected_nll"][:, -10:].mean()) - expected
            for o in ("mle", "elbo", "selbo")
        }
        nearest = min(away, key=lambda o: abs(away[o]))
        assert f"{data}: {nearest.upper()}, {away[nearest]:+.0f}"[:-1] in findings.text


def test_figure_5_has_the_gradient_of_the_probabilities(monkeypatch):
    config = RunConfig.parse(
        {
            "data": {"source": "moons", "n_samples": 20},
            "network": {"hidden": (1,)},
            "objective": {"name": "elbo"},
            "training": {"inits": 2, "steps": 7, "shots": 2000},
        },
        "test",
    )
    found = gradients._measure(config)
    np.testing.assert_array_equal(found["truth_step"], [1, 5])
    data = config.load_data()
    net = config.build_network(data)
    table = net.log_likelihood_table(data.X_train, data.y_train)
    circuit = config.build_circuit(net)
    shown: list[qh.TrainingStep] = []
    qh.train(
        circuit,
        table,
        qh.ELBO(),
        n_inits=2,
        n_steps=7,
        gradient="sampled",
        shots=2000,
        callback=shown.append,
    )
    active = [i for i in range(circuit.n_params) if i % 2 == 0]  # the RYs of the only layer

    def value(theta: np.ndarray) -> float:
        q = circuit.simulate(theta).probabilities()
        return float(q @ (np.log(np.maximum(q, 1e-300)) + net.n_weights * np.log(2) - table))

    h = 1e-5
    for i, theta in enumerate(shown[4].params):
        slopes = [
            (value(theta + h * e) - value(theta - h * e)) / (2 * h)
            for e in np.eye(circuit.n_params)[active]
        ]
        exact, sampled = found["magnitude"].values[:, i, 1]
        assert exact == pytest.approx(np.abs(slopes).mean(), rel=1e-5)
        assert sampled == pytest.approx(exact, rel=0.5)
        assert sampled != exact


def test_the_accuracy_table_is_tuned_by_equal_budgets_on_other_data(monkeypatch):
    monkeypatch.setattr(accuracy, "DATA", ("moons",))
    monkeypatch.setattr(accuracy, "CIRCUITS", {"brickwork": "mean field"})
    budget = {name: settings[:2] for name, settings in accuracy._BUDGET.items()}
    assert len({len(settings) for settings in accuracy._BUDGET.values()}) == 1
    monkeypatch.setattr(accuracy, "_BUDGET", budget)
    findings, _ = _run("accuracy", quick=False)
    done = _runs()
    tuning = [run for run in done if run.config.data.seed == 1000]
    assert len(tuning) == 6
    shown = [run for run in done if run.config.data.seed == 0]
    chosen = findings.tables["Learning rate and weight that were chosen"]
    (table,) = (t for caption, t in findings.tables.items() if caption.startswith("moons"))
    assert {"exact posterior", "mean field", "MLE, mean field"} <= set(table.index)
    for name in ("mle", "elbo", "selbo"):
        tried = [run for run in tuning if run.config.objective.name == name]
        best = min(tried, key=lambda r: float(r.result["trained"].sel(metric="nll").mean()))
        rate = best.config.training.learning_rate
        label = f"{name.upper()}, mean field"
        assert float(chosen.loc[label, "moons"].split(",")[0]) == rate
        (own,) = (
            run
            for run in shown
            if (run.config.objective.name, run.config.circuit.ansatz) == (name, "brickwork")
            and run.config.training.learning_rate == rate
            and run.config.objective.weight == best.config.objective.weight
        )
        mean = float(own.result["trained"].sel(metric="accuracy").mean())
        assert float(table.loc[label, "accuracy"].split()[0]) == pytest.approx(mean, abs=5e-4)


def test_intervals_are_those_of_student_for_many_numbers():
    from scipy.stats import t

    values = np.random.default_rng(0).normal(0.3, 1, 400)
    mean, low, high = accuracy._interval(values)
    half = t.ppf(0.975, 399) * values.std(ddof=1) / 20
    assert mean == values.mean()
    # Two bootstraps of 9999 resamples differ by about 2 % of the interval at its ends.
    assert low == pytest.approx(mean - half, abs=0.1 * half)
    assert high == pytest.approx(mean + half, abs=0.1 * half)
    assert accuracy._interval(np.zeros(5)) == (0.0, 0.0, 0.0)


def test_a_verdict_needs_an_interval_without_zero():
    cells = {"accuracy": "+0.100 [+0.020, +0.180]", "nll": "+0.010 [-0.020, +0.040]"}
    worse = {"accuracy": "-0.100 [-0.200, -0.010]", "nll": "+0.100 [+0.020, +0.180]"}
    text = accuracy._text(
        Work(Path("out"), True, print), {("A", "moons"): cells, ("B", "rings"): worse}
    )
    assert "A: moons accuracy better, moons nll no clear difference." in text
    assert "B: rings accuracy worse, rings nll worse." in text


def test_the_weight_table_has_every_weight_and_depth():
    findings, said = _run("weight")
    assert len(said) == 2 * 4 * 2
    assert len(findings.tables) == 6
    frame = findings.data
    table = findings.tables["SELBO: NLL, median of 4 starts"]
    own = frame[(frame.objective == "SELBO") & (frame.weight == 300) & (frame.layers == 2)]
    assert float(table.loc["weight 300", "2 layers"]) == pytest.approx(own.nll.median(), abs=5e-4)
