"""Tuning: what is searched, what is kept, and what is refused."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from matplotlib.figure import Figure
from optuna._transform import _SearchSpaceTransform
from optuna.trial import TrialState
from sklearn.model_selection import train_test_split

import qhypernet as qh
from qhypernet import cli, plotting, runs
from qhypernet.config import RunConfig
from qhypernet.samplers import StatevectorSampler
from qhypernet.tuning import _storage
from qhypernet.tuning._config import TuneConfig
from qhypernet.tuning._samplers import SeededSampler, _CmaEs, distributions

WEIGHT = {"low": 1.0, "high": 1000.0, "log": True}


def description(**tune: Any) -> dict[str, Any]:
    """A study that is quick: three weights, four starts."""
    return {
        "data": {"source": "moons", "n_samples": 40},
        "training": {"inits": 4, "steps": 10},
        "tune": {"trials": 3, "ranges": {"objective.weight": WEIGHT}, **tune},
    }


def outcome(study: Any) -> list[tuple[Any, ...]]:
    """All that decides what a sampler proposes next."""
    return [(t.number, t.params, t.state, t.values, t.intermediate_values) for t in study.trials]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


def call(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Runs the command in this process; returns its exit status."""
    monkeypatch.setattr(sys, "argv", ["qhypernet", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return int(stop.value.code or 0)


def write(path: Path, content: dict[str, Any]) -> Path:
    """A description as a file."""
    import tomli_w

    path.write_text(tomli_w.dumps(content))
    return path


def test_a_trial_is_scored_on_held_out_training_points_by_the_mean_over_starts() -> None:
    metrics = ["nll", "accuracy", "kl", "success_rate", "circuit_runs"]
    success = {"metric": "accuracy", "threshold": 0.7}
    content = description(metrics=metrics, success=success, validation=0.3, seed=5, trials=1)
    content["training"]["shots"] = 7
    study = qh.tune(content, "s")
    trial = study.trials[0]
    run = study.description(trial)
    assert run.objective.weight == trial.params["objective.weight"]

    # The same by hand, with scikit-learn's own split of the training part.
    data = qh.datasets.moons(40)
    X, X_held, y, y_held = train_test_split(
        data.X_train, data.y_train, test_size=0.3, stratify=data.y_train, random_state=5
    )
    net = qh.BinaryNetwork((2, 1))
    circuit = qh.ansatz.hardware_efficient(3, 1)
    objective = qh.SELBO(run.objective.weight)
    trained = qh.train(
        circuit,
        qh.Problem(net, X, y),
        objective,
        n_inits=4,
        n_steps=10,
        gradient="sampled",
        shots=7,
    )
    bits = (np.arange(8)[:, None] >> np.arange(3) & 1).astype(np.uint8)
    p = trained.probabilities() @ (1 / (1 + np.exp(-net.logits(bits, X_held)[..., 0])))
    nll = -np.log(np.where(y_held == 1, p, 1 - p)).mean(axis=1)
    accuracy = ((p > 0.5) == y_held).mean(axis=1)
    log_joint = net.log_likelihood_table(X, y)
    kl = (trained.probabilities() * (
        np.log(trained.probabilities()) - log_joint + np.logaddexp.reduce(log_joint)
    )).sum(axis=1)  # fmt: skip
    expected = [nll.mean(), accuracy.mean(), kl.mean(), (accuracy >= 0.7).mean(), 7 * 10]
    np.testing.assert_allclose(trial.values, expected, rtol=1e-9)
    assert 0 < (accuracy >= 0.7).sum() < 4  # Else any threshold would have given the same.
    np.testing.assert_allclose(trial.user_attrs["scores"]["spread"]["nll"], nll.std(), rtol=1e-9)


def test_the_test_part_is_never_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = qh.tune(description(), "whole")
    load = RunConfig.load_data

    def spoilt(self: RunConfig) -> Any:
        data = load(self)
        object.__setattr__(data, "X_test", np.full_like(data.X_test, np.nan))
        return data

    monkeypatch.setattr(RunConfig, "load_data", spoilt)
    assert outcome(qh.tune(description(), "spoilt")) == outcome(whole)


def test_the_best_is_written_where_training_takes_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content = description(
        trials=6,
        ranges={
            "objective.weight": {"choices": [30, "300:3", {"start": 9.0, "end": 4.0}]},
            "network.hidden": {"choices": [[], [1]]},
            "training.steps": {"low": 5, "high": 9},
            "training.learning_rate": {"low": 0, "high": 1, "step": 0.25},
        },
        known=[{"training.learning_rate": 0.5, "objective.weight": "300:3", "training.steps": 7}],
    )
    write(Path("study.toml"), content)
    assert call("tune", "study.toml", "--out", "s", monkeypatch=monkeypatch) == 0
    out = capsys.readouterr().out
    assert "moons: 6 trials" in out
    assert "qhypernet train --config s/best.toml" in out
    study = qh.read_study("s")
    known = study.description(study.trials[0])
    assert known.training.learning_rate == 0.5
    assert (known.objective.weight.start, known.training.steps) == (300, 7)
    complete = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    assert all(isinstance(trial.params["training.steps"], int) for trial in complete)
    best = min(complete, key=lambda trial: trial.values[0])
    written = RunConfig.parse(tomllib.loads(Path("s/best.toml").read_text()), "best")
    assert written == study.description(best)
    assert best.values[0] == study.table()["nll"].min()
    assert call("train", "--config", "s/best.toml", "--out", "r", monkeypatch=monkeypatch) == 0


def test_one_number_stands_for_a_list_of_one() -> None:
    ranges = {
        "objective.bandwidths": {"low": 0.5, "high": 4.0, "log": True},
        "network.hidden": {"low": 1, "high": 3},
    }
    study = qh.tune(description(ranges=ranges, known=[{"network.hidden": 3}]), "s")
    assert study.values(study.trials[0])["network.hidden"] == 3
    for trial in study.trials:
        run = study.description(trial)
        assert run.network.hidden == (trial.params["network.hidden"],)
        assert run.objective.bandwidths == (trial.params["objective.bandwidths"],)
        assert isinstance(trial.params["network.hidden"], int)
    assert len({trial.params["objective.bandwidths"] for trial in study.trials}) == 3
    best = RunConfig.parse(tomllib.loads(Path("s/best.toml").read_text()), "best")
    assert best == study.description(study.best[0])


def test_of_several_metrics_all_compromises_are_written() -> None:
    content = description(
        trials=8,
        metrics=["nll", "circuit_runs"],
        ranges={
            "training.steps": {"choices": [2, 20, 100]},
            "training.gradient": {"choices": ["sampled", "spsa"]},
            "training.shots": {"choices": [4, 40]},
        },
        sampler="grid",
    )
    content["training"]["shots"] = 4
    content["tune"]["trials"] = 50  # There are twelve points.
    study = qh.tune(content, "s")
    points = [tuple(study.values(trial).values()) for trial in study.trials]
    assert len(set(points)) == len(points) == 12
    settings = {"sampled": 1, "spsa": 2}
    for trial, (steps, gradient, shots) in zip(study.trials, points, strict=True):
        assert trial.values[1] == steps * settings[gradient] * shots
    values = np.array([trial.values for trial in study.trials])
    dominated = [
        (np.all(values <= own, axis=1) & np.any(values < own, axis=1)).any() for own in values
    ]
    best = np.flatnonzero(~np.array(dominated))
    assert 1 < len(best) < 12
    assert [trial.number for trial in study.best] == best.tolist()
    assert sorted(p.name for p in Path("s").glob("best*")) == sorted(
        f"best-{number}.toml" for number in best
    )


@pytest.mark.parametrize("name", ["exact", "sampled", "parameter_shift", "spsa"])
def test_settings_a_step_are_those_that_a_sampler_is_asked_for(name: str) -> None:
    asked = []

    class Counting(StatevectorSampler):
        def sample(self, circuit: Any, params: Any, shots: int, streams: Any) -> Any:
            asked.append(len(params))
            return super().sample(circuit, params, shots, streams)

    circuit = qh.ansatz.hardware_efficient(3, 2)
    gradient = qh.gradients.chosen(name, None if name == "exact" else 5, qh.MLE())
    if hasattr(gradient, "sampler"):
        object.__setattr__(gradient, "sampler", Counting())
    qh.train(circuit, np.zeros(8), qh.MLE(), n_inits=4, n_steps=1, gradient=gradient)
    drawn = {"exact": 0, "sampled": 4}  # Inside the core, one set for each start.
    assert 4 * gradient.settings(circuit) == drawn.get(name, sum(asked))


def test_a_study_killed_again_and_again_is_the_study_that_was_not() -> None:
    """With trials that fail and trials that are pruned among them."""
    content = description(
        trials=20,
        seed=2,
        prune_every=15,
        ranges={
            "objective.weight": WEIGHT,
            "training.learning_rate": {"choices": [0.003, 0.1, 0.2, 1e308]},
            "circuit.layers": {"low": 1, "high": 3},
        },
    )
    content["training"] |= {"inits": 100, "steps": 60, "shots": 50}
    write(Path("study.toml"), content)
    journal = Path("killed/journal.log")
    interrupted = 0
    for begun in (3, 13):
        code = "from qhypernet.cli import main; main()"
        argv = ["tune", "study.toml", "--out", "killed"]
        process = subprocess.Popen([sys.executable, "-c", code, *argv])
        # Operation 4 begins a trial.
        while not journal.exists() or journal.read_text().count('"op_code":4,') < begun:
            assert process.poll() is None
            time.sleep(0.001)
        time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        running = [t for t in qh.read_study("killed").optuna.trials if t.state.name == "RUNNING"]
        interrupted += len(running)
    assert interrupted  # Else no kill has hit a trial.
    # The best until then is there to be trained.
    RunConfig.parse(tomllib.loads(Path("killed/best.toml").read_text()), "best")
    with journal.open("a") as file:
        file.write('{"op_code":')  # As if killed while it wrote,
    lock = Path("killed/journal.log.lock")  # holding Optuna's own lock.
    lock.unlink(missing_ok=True)
    lock.symlink_to("journal.log")
    with _storage.in_use(Path("killed"), None, ""):
        assert not lock.is_symlink()  # Optuna alone would wait half a minute for it.
    killed = qh.tune("study.toml", "killed")
    whole = qh.tune("study.toml", "whole")
    assert outcome(killed) == outcome(whole)
    states = {trial.state for trial in whole.trials}
    assert states == {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}
    failed = next(trial for trial in whole.trials if trial.state == TrialState.FAIL)
    assert re.match("DivergedError: training diverged", failed.user_attrs["error"])
    assert Path("killed/best.toml").read_text() == Path("whole/best.toml").read_text()


@pytest.mark.parametrize("name", ["tpe", "random", "cmaes", "grid"])
def test_proposals_follow_from_seed_and_trials_that_are_done(name: str) -> None:
    """A new sampler for each trial proposes what one sampler for all does; seeds matter."""

    def propose(seed: int, restart: bool) -> list[dict[str, float]]:
        # Steps of a grid that CMA-ES does not see as such.
        ranges = {
            "objective.weight": {"low": 1.0, "high": 9.0, "step": 1.0},
            "training.steps": {"low": 2, "high": 30},
        }
        content = description(sampler=name, seed=seed, ranges=ranges)
        config = TuneConfig.parse(content, "test")
        study = optuna.create_study(sampler=SeededSampler(config, "me"))
        for _ in range(40):
            found = distributions(config)
            if restart:  # And between two values of a trial, too.
                begun = study.ask(dict(list(found.items())[:1]))
                study._storage.set_trial_state_values(begun._trial_id, TrialState.WAITING)
                study.sampler = SeededSampler(config, "me")
            trial = study.ask(found)
            x, y = trial.params.values()
            study.tell(trial, (x - 4) ** 2 + (y - 20) ** 2 / 10)
        return [trial.params for trial in study.trials]

    first = propose(3, restart=False)
    assert propose(3, restart=True) == first
    assert propose(4, restart=True) != first
    # Two of them learn; the median of all points is about 12.
    losses = [
        (p["objective.weight"] - 4) ** 2 + (p["training.steps"] - 20) ** 2 / 10 for p in first
    ]
    assert (np.median(losses[-20:]) < 5) == (name in ("tpe", "cmaes"))


def test_cma_es_works_out_the_state_that_optuna_would_have_pickled() -> None:
    space: dict[str, optuna.distributions.BaseDistribution] = {
        "x": optuna.distributions.FloatDistribution(0.01, 100, log=True),
        "y": optuna.distributions.IntDistribution(0, 50),
    }

    def tried(sampler: optuna.samplers.BaseSampler) -> list[optuna.trial.FrozenTrial]:
        study = optuna.create_study(sampler=sampler, direction="maximize")
        for _ in range(30):  # Five more than four generations of six take.
            trial = study.ask(space)
            x, y = trial.params.values()
            study.tell(trial, -(np.log(x) ** 2) - (y - 30) ** 2 / 100)
        return study.trials

    theirs = tried(optuna.samplers.CmaEsSampler(seed=3))
    pickled = optuna.samplers.CmaEsSampler(seed=3)._restore_optimizer(theirs)
    ours = _CmaEs(seed=4)
    assert ours._restore_optimizer(theirs) is None
    maximize = optuna.study.StudyDirection.MAXIMIZE
    worked_out = ours._init_optimizer(_SearchSpaceTransform(space, True, True, True), maximize)
    assert pickled is not None
    assert pickled.generation == worked_out.generation == 4
    for name in ("mean", "_C", "_sigma", "_p_sigma", "_pc"):
        np.testing.assert_allclose(
            getattr(worked_out, name), getattr(pickled, name), rtol=1e-9, atol=1e-12
        )
    for trials, kept in ((theirs, True), (tried(_CmaEs(seed=3)), False)):
        keys = [key for trial in trials for key in trial.system_attrs]
        assert any("optimizer" in key for key in keys) == kept


def test_a_longer_study_begins_as_the_shorter_one() -> None:
    first = outcome(qh.tune(description(trials=4), "s"))
    longer = qh.tune(description(trials=6), "s")
    assert outcome(longer)[:4] == first
    assert outcome(longer) == outcome(qh.tune(description(trials=6), "t"))
    assert outcome(qh.tune(description(trials=6), "s")) == outcome(longer)


def test_a_folder_in_use_is_shared_and_its_trials_under_way_are_left_alone() -> None:
    first = qh.tune(description(trials=2), "s")
    first.optuna.ask()
    with open("s/.lock") as file:
        fcntl.flock(file, fcntl.LOCK_SH)  # As the process does that is at this trial.
        shared = qh.tune(description(trials=5), "s")
        assert [trial.number for trial in shared.trials] == [0, 1, 3, 4]
    alone = qh.tune(description(trials=5), "s")
    assert [trial.number for trial in alone.trials] == [0, 1, 2, 3, 4]


def test_a_study_goes_on_where_files_cannot_be_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    # As on Windows, which has no fcntl and seldom symbolic links.
    monkeypatch.setattr(_storage, "fcntl", None)
    monkeypatch.delattr(os, "symlink")
    qh.tune(description(trials=2), "s").optuna.ask()
    resumed = qh.tune(description(trials=3), "s")
    assert [trial.number for trial in resumed.trials] == [0, 1, 2]

    code = "import sys; sys.modules['fcntl'] = None; from qhypernet.tuning import _tune"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_ctrl_c_keeps_the_study(monkeypatch: pytest.MonkeyPatch) -> None:
    train, calls = runs.train, []

    def interrupted(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return train(*arguments, **options)

    monkeypatch.setattr(runs, "train", interrupted)
    with pytest.raises(qh.Interrupted, match="stopped after 2 of 5 trials, which are kept in s;"):
        qh.tune(description(trials=5), "s")
    assert outcome(qh.tune(description(trials=5), "s")) == outcome(
        qh.tune(description(trials=5), "t")
    )


def test_a_study_of_which_every_trial_fails_says_why() -> None:
    content = description(ranges={"training.learning_rate": {"choices": [1e308]}})
    message = "all 3 trials failed, the first with: DivergedError: training diverged .* kept in s$"
    with pytest.raises(ValueError, match=message):
        qh.tune(content, "s")
    assert len(qh.read_study("s").trials) == 3


RANGES = "tune.ranges"


@pytest.mark.parametrize(
    ("tune", "message"),
    [
        (
            {RANGES: {"objective.weight": {"low": 9, "high": 1}}},
            "expected low below high, got 9 and 1$",
        ),
        (
            {RANGES: {"objective.weight": {"low": 0, "high": 1, "log": True}}},
            "tune.ranges.objective.weight: expected low above 0 with log",
        ),
        ({RANGES: {"objective.weight": {"low": 1}}}, "expected low and high, or choices"),
        (
            {RANGES: {"objective.weight": {"low": 1, "high": 2, "choices": [1]}}},
            "expected either choices, or low and high",
        ),
        (
            {RANGES: {"objective.weight": {"lo": 1, "high": 2}}},
            "tune.ranges.objective.weight.lo: no such field .did you mean 'low'",
        ),
        (
            {RANGES: {"objective.wieght": WEIGHT}},
            "objective.wieght: no such field .did you mean 'weight'",
        ),
        (
            {RANGES: {"objectiv.weight": WEIGHT}},
            "objectiv.weight: no such section .did you mean 'objective'",
        ),
        (
            {RANGES: {"objective.weight.start": WEIGHT}},
            "expected objective.weight to be a schedule with a start and an end, got None",
        ),
        ({RANGES: {"circuit.layers": {"low": 0, "high": 2}}}, "circuit.layers: expected greater"),
        (
            {RANGES: {"circuit.ansatz": {"choices": ["brickwork", "brickwrok"]}}},
            "circuit.ansatz: expected 'hardware_efficient', .* got 'brickwrok'",
        ),
        ({RANGES: {"circuit.layers": {"choices": [2, 2]}}}, "expected each value once"),
        ({RANGES: {"data.n_samples": {"low": 9, "high": 99}}}, "expected no data.n_samples"),
        ({RANGES: {"training.seed": {"low": 0, "high": 99}}}, "expected no training.seed"),
        ({RANGES: {}}, "tune.ranges: .* at least 1"),
        ({"tune.metrics": ["nl"]}, "tune.metrics: expected 'accuracy', .* got 'nl'$"),
        ({"tune.metrics": []}, "tune.metrics: expected what to search for"),
        ({"tune.metrics": ["nll", "nll"]}, "expected each once"),
        ({"tune.metrics": ["success_rate"]}, "tune.success: expected what success_rate counts"),
        ({"tune.metrics": ["circuit_runs"]}, "expected training.shots for circuit_runs"),
        ({"tune.metrics": ["nll", "kl"], "tune.prune_every": 5}, "expected a single metric"),
        ({"tune.metrics": ["nll", "kl"], "tune.sampler": "cmaes"}, "got cmaes, which takes one"),
        ({"tune.sampler": "grid"}, "expected choices or a step for grid"),
        ({"tune.sampler": "pte"}, "tune.sampler: expected 'tpe', .* got 'pte'"),
        ({"tune.trials": 0}, "tune.trials: expected greater than or equal to 1, got 0"),
        ({"tune.validation": 0.001}, "splits 40 rows into"),
        ({"tune.known": [{"objective.weigth": 3}]}, "tune.known: .* 'objective.weigth' .did you"),
        ({"tune.known": [{"objective.weight": 3000}]}, "expected 1.0 to 1000.0, got 3000"),
        (
            {
                RANGES: {"training.steps": {"low": 2, "high": 8, "step": 2}},
                "tune.known": [{"training.steps": 5}],
            },
            "tune.known, training.steps: expected 2 and steps of 2, got 5",
        ),
        ({"tune.wieght": 3}, "tune.wieght: no such field"),
        (
            {RANGES: {"training.steps": {"low": 2, "high": 9, "step": 3.5}}},
            "tune.ranges, training.steps: expected a whole step, got 3.5",
        ),
        (
            {RANGES: {"training.steps": {"low": 2, "high": 9, "step": 2}}},
            "expected a step that leads from low to high, got 2",
        ),
        ({"hardware.backend": "aer"}, "hardware: expected none: trials are simulated"),
        ({"network.hidden": [40]}, "network: expected at most 30 binary weights"),
        ({"data.source": "mons"}, "did you mean 'moons'"),
    ],
)
def test_what_cannot_be_searched_is_one_clear_line_and_writes_nothing(
    tune: dict[str, Any],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    content = description()
    for name, value in tune.items():
        section, field = name.split(".")
        content.setdefault(section, {})[field] = value
        if section == "data":
            content["data"].pop("n_samples")
    write(Path("study.toml"), content)
    assert call("tune", "study.toml", "--out", "s", monkeypatch=monkeypatch) == 1
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert len(error.splitlines()) == 1
    assert re.search(message, error), error
    assert os.listdir() == ["study.toml"]


@pytest.fixture
def study() -> Any:
    return qh.tune(description(trials=2), "s")


@pytest.mark.usefixtures("study")
def test_what_belongs_to_others_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("full").mkdir()
    Path("full/thesis.tex").write_text("years of work")
    Path("file").write_text("")
    write(Path("same.toml"), description())
    other = {"ranges": {"objective.weight": {**WEIGHT, "high": 99.0}}}
    write(Path("other.toml"), description(**other))
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    for arguments, message in (
        (["same.toml", "--out", "full"], "out: expected an empty folder or a study, got full"),
        (["same.toml", "--out", "file"], "out: expected a folder, got file, which is a file"),
        (["same.toml", "--out", "file/s"], "Not a directory.*file/s"),
        (
            ["other.toml", "--out", "s"],
            r"s already holds another one, with tune.ranges.objective.weight.high = 1000.0 "
            r"\(asked for: 99.0\)",
        ),
        (["same.toml", "--seed", "8", "--out", "s"], r"tune.seed = 0 \(asked for: 8\)"),
        (
            ["same.toml", "--out", "s", "--storage", "sqlite:///x.db"],
            "the trials of s are kept in the folder",
        ),
        (["same.toml", "--storage", "nonsense", "--out", "n"], "expected an address such as"),
        (["same.toml", "--storage", "oracel://x", "--out", "n"], "cannot reach oracel://x: "),
        (
            ["same.toml", "--storage", "postgresql://u:secret@localhost:1/x", "--out", "n"],
            r"cannot reach postgresql\+psycopg://u:\*\*\*@localhost:1/x: .*refused",
        ),
        (["--out", "full"], "config: expected a TOML file, or with --out the folder of a study"),
        ([], "config: expected a TOML file"),
        (["no.toml"], "config: expected a TOML file, got no.toml: no such file"),
    ):
        assert call("tune", *arguments, monkeypatch=monkeypatch) == 1
        error = capsys.readouterr().err
        assert re.search(message, error), error
        assert "secret" not in error
        assert len(error.splitlines()) == 1
    after = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    assert after == before


def test_the_report_shows_what_matters(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content = description(
        trials=14,
        metrics=["nll", "circuit_runs"],
        success={"metric": "kl", "threshold": 1.0},
        ranges={
            "objective.weight": WEIGHT,
            "training.steps": {"low": 1, "high": 40},
            "training.learning_rate": {"choices": [0.1, 0.2, 1e308]},
        },
    )
    content["training"]["shots"] = 9
    study = qh.tune(content, "s")
    shares = []
    monkeypatch.setattr(
        plotting, "importances", lambda shown: shares.append(shown) or Figure(figsize=(2, 2))
    )
    assert call("report", "s", monkeypatch=monkeypatch) == 0
    # What costs nothing but steps is decided by the steps.
    assert max(shares[1], key=shares[1].__getitem__) == "training.steps"
    page = Path("s/report.html").read_text()
    failed = sum(trial.state == TrialState.FAIL for trial in study.trials)
    for text in (
        f"{failed} trials failed",
        "training diverged",
        "exact posterior",
        "a start succeeds",
        "1 to 1000, logarithmic",
        f"best-{study.best[0].number}.toml",
        "low = 1.0",
    ):
        assert text in page, text
    assert "<script" not in page
    Path("empty").mkdir()
    write(Path("empty/study.toml"), content)
    assert call("report", "empty", monkeypatch=monkeypatch) == 1
    assert "expected the address of the trials of empty" in capsys.readouterr().err
