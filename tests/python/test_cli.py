"""The command, as a user calls it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest

import qhypernet as qh
from qhypernet import _loop, cli, runs, storage
from qhypernet.config import RunConfig

QUICK = ["--hidden", "2", "--activation", "tanh", "--inits", "3", "--steps", "12"]


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


def command(*arguments: str, **options: object) -> subprocess.Popen[str]:
    """Starts the command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", "from qhypernet.cli import main; main()", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,  # type: ignore[call-overload]
    )


def table(path: Path, n: int = 60) -> Path:
    """A small CSV file with a column of words to predict."""
    rng = np.random.default_rng(5)
    rows = []
    for i in range(n):
        x, y = rng.normal(size=2) + (1.5 if i % 2 else -1.5)
        rows.append(f"{x:.4f},{y:.4f},{'yes' if i % 2 else 'no'}")
    path.write_text("width,height,ripe\n" + "\n".join(rows) + "\n")
    return path


def test_a_csv_file_is_trained_reported_and_read_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table(Path("fruit.csv"))
    status = call(
        "train", "fruit.csv", "--target", "ripe", *QUICK, "--out", "r", monkeypatch=monkeypatch
    )
    assert status == 0
    out = capsys.readouterr().out
    for row in ("trained, median of 3 starts", "exact posterior", "prior", "logistic regression"):
        assert row in out
    assert "One layer is classical" in out
    run = runs.read(Path("r"))
    assert run.params.shape == (3, 2 * run.net.n_weights)
    assert run.data.class_names == ("no", "yes")
    assert sorted(os.listdir("r")) == ["config.toml", "result.nc"]

    assert call("report", "r", monkeypatch=monkeypatch) == 0
    page = Path("r/report.html").read_text()
    for text in (
        "fruit",
        "width",
        "exact posterior",
        "log evidence",
        "source = &#34;fruit.csv&#34;",
    ):
        assert text in page
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_metrics_in_the_result_are_those_of_the_stored_parameters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert call("train", "moons", *QUICK, "--out", "r", monkeypatch=monkeypatch) == 0
    run = runs.read(Path("r"))
    q = run.config.build_circuit(run.net).simulate(run.params).probabilities()
    bits = np.arange(q.shape[1])[:, None] >> np.arange(run.net.n_weights) & 1
    logits = run.net.logits(bits.astype(np.uint8), run.data.X_test)[..., 0]
    p1 = q @ (1 / (1 + np.exp(-logits)))
    trained = run.result["trained"]
    own = np.where(run.data.y_test == 1, p1, 1 - p1)
    np.testing.assert_allclose(trained.sel(metric="nll"), -np.log(own).mean(axis=1), rtol=1e-10)
    accuracy = ((p1 > 0.5) == run.data.y_test).mean(axis=1)
    np.testing.assert_allclose(trained.sel(metric="accuracy"), accuracy, rtol=1e-12)
    log_joint = run.net.log_likelihood_table(run.data.X_train, run.data.y_train)
    log_posterior = log_joint - np.logaddexp.reduce(log_joint)
    kl = (q * (np.log(q) - log_posterior)).sum(axis=1)
    np.testing.assert_allclose(trained.sel(metric="kl"), kl, rtol=1e-9)


def test_the_saved_description_repeats_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["--objective", "elbo", "--weight", "20:1", "--layers", "2", "--shots", "20"]
    assert call("train", "rings", *QUICK, *options, "--out", "a", monkeypatch=monkeypatch) == 0
    saved = tomllib.loads(Path("a/config.toml").read_text())
    assert saved["objective"]["weight"]["end"] == 1.0
    assert saved["training"]["shots"] == 20
    assert call("train", "--config", "a/config.toml", "--out", "b", monkeypatch=monkeypatch) == 0
    assert Path("a/result.nc").read_bytes() == Path("b/result.nc").read_bytes()
    argv = ["train", "--config", "a/config.toml", "--seed", "1", "--out", "c"]
    assert call(*argv, monkeypatch=monkeypatch) == 0
    first, second = (storage.read_dataset(f"{name}/result.nc") for name in "ac")
    assert (first["params"] != second["params"]).all()


def test_a_finished_run_is_shown_and_not_run_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table(Path("fruit.csv"))
    argv = ["train", "fruit.csv", "--target", "ripe", *QUICK, "--out", "r"]
    assert call(*argv, monkeypatch=monkeypatch) == 0
    before = Path("r/result.nc").stat().st_mtime_ns
    assert call("train", "--out", "r", monkeypatch=monkeypatch) == 0
    assert call(*argv, monkeypatch=monkeypatch) == 0
    assert Path("r/result.nc").stat().st_mtime_ns == before
    out = capsys.readouterr().out
    assert out.count("logistic regression") == 3
    assert out.count("already trained") == 2
    table(Path("fruit.csv"), n=80)
    assert call(*argv, monkeypatch=monkeypatch) == 1
    assert "fruit.csv has changed since" in capsys.readouterr().err


def test_interrupted_from_the_keyboard_and_resumed_is_the_same_run(tmp_path: Path) -> None:
    argv = ["train", "moons", "--hidden", "3", "--layers", "3", "--inits", "20", "--steps", "400"]
    # One thread, so that even a fast machine is not done at once; the bits do not depend on it.
    one_thread = {**os.environ, "QHYPERNET_NUM_THREADS": "1"}
    process = command(*argv, "--out", "a", env=one_thread)
    # The step after the folder is claimed is training; one second is a good part of it.
    while not (tmp_path / "a/config.toml").exists():
        time.sleep(0.01)
    time.sleep(0.7)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "stopped after step" in errors
    assert "goes on from there" in errors
    assert sorted(os.listdir("a")) == ["checkpoint.nc", "config.toml"]
    for folder in "ab":
        process = command(*argv, "--out", folder)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert Path("a/result.nc").read_bytes() == Path("b/result.nc").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mons"], "data: expected one of .* got 'mons' .did you mean 'moons'"),
        (["no.csv", "--target", "y"], "no.csv does not exist"),
        (["fruit.csv"], "target: expected the column .* got none"),
        (["fruit.csv", "--target", "rype"], "got 'rype' .did you mean 'ripe'"),
        (["moons", "--hidden", "two"], "hidden: expected whole numbers .* got 'two'"),
        (["moons", "--activation", "tan"], "network.activation: expected .*'tanh'.* got 'tan'"),
        (
            ["moons", "--optimizer", "lbfgsb", "--lr", "0.1"],
            "training.learning_rate: expected none for lbfgsb, got 0.1",
        ),
        (["moons", "--steps", "0"], "training.steps: expected greater than or equal to 1, got 0"),
        (["moons", "--shots", "0"], "training.shots: .* greater than or equal to 2, got 0"),
        (["moons", "--weight", "heavy"], "objective.weight: expected a number, or a schedule"),
        (["moons", "--weight", "-1"], "weight: expected a finite number of at least 0, got -1"),
        (["moons", "--lr", "0"], "learning_rate: expected a finite number above 0, got 0"),
        (
            ["moons", "--objective", "mle", "--weight", "3"],
            "objective.weight: expected none for mle",
        ),
        (["moons", "--hidden", "40"], "network: expected at most 30 binary weights"),
        (["digits", "--classes", "3"], "classes must be two or more"),
        (
            ["moons", "--config", "no.toml"],
            "config: expected a TOML file, got no.toml: no such file",
        ),
        (
            ["--config", "bad.toml"],
            "config: objective.wieght: no such field .did you mean 'weight'",
        ),
        (["--config", "broken.toml"], "config: expected a TOML file, got broken.toml"),
        (["moons", "--out", "full"], "out: expected an empty folder or a run, got full"),
        (["moons", "--out", "fruit.csv"], "out: expected a folder, got fruit.csv, which is a file"),
        ([], "data: expected the name of a data set"),
    ],
)
def test_what_cannot_be_run_is_one_clear_line_and_writes_nothing(
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    table(Path("fruit.csv"))
    Path("bad.toml").write_text('[data]\nsource = "moons"\n[objective]\nwieght = 3\n')
    Path("broken.toml").write_text("[data\n")
    Path("full").mkdir()
    Path("full/thesis.tex").write_text("years of work")
    before = sorted(Path().rglob("*"))
    assert call("train", *arguments, monkeypatch=monkeypatch) == 1
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert len(error.splitlines()) == 1
    assert re.search(message, error), error
    assert sorted(Path().rglob("*")) == before


def test_a_folder_of_another_run_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("train", "moons", *QUICK, "--out", "r", monkeypatch=monkeypatch) == 0
    before = Path("r/result.nc").read_bytes()
    assert call("train", "moons", *QUICK, "--seed", "3", "--out", "r", monkeypatch=monkeypatch) == 1
    error = capsys.readouterr().err
    assert "r already holds another run, with training.seed = 0 (asked for: 3)" in error
    assert Path("r/result.nc").read_bytes() == before


def test_a_report_without_a_run_says_what_is_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("report", "nowhere", monkeypatch=monkeypatch) == 1
    assert "there is no such folder" in capsys.readouterr().err
    config = RunConfig.parse({"data": {"source": "moons"}}, "test")
    Path("r").mkdir()
    Path("r/config.toml").write_text(config.to_toml())
    assert call("report", "r", monkeypatch=monkeypatch) == 1
    assert "go on with: qhypernet train --out r" in capsys.readouterr().err


def test_info_shows_the_machine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("info", monkeypatch=monkeypatch) == 0
    out = capsys.readouterr().out
    for label in ("qhypernet", "instruction set", "threads", "memory available", "qubits"):
        assert label in out


@pytest.mark.parametrize("name", ["train", "report", "hardware", "info"])
def test_help_teaches(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(name, "--help", monkeypatch=monkeypatch) == 0
    assert f"Usage: qhypernet {name}" in capsys.readouterr().out


def test_a_training_survives_what_fails_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    argv = ["train", "moons", *QUICK, "--out", "r"]

    def fail(*_: object) -> None:
        raise MemoryError("no room")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    for reaction in (fail, interrupt):
        shutil.rmtree("r", ignore_errors=True)
        with monkeypatch.context() as patch:
            patch.setattr(runs, "evaluate", reaction)
            assert call(*argv, monkeypatch=monkeypatch) != 0
        assert sorted(os.listdir("r")) == ["checkpoint.nc", "config.toml"]
        assert storage.read_dataset("r/checkpoint.nc").sizes["step"] == 12
    assert call(*argv, monkeypatch=monkeypatch) == 0
    assert call(*argv[:-1], "s", monkeypatch=monkeypatch) == 0
    assert Path("r/result.nc").read_bytes() == Path("s/result.nc").read_bytes()


def test_a_short_training_writes_no_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a file that nobody will read")

    monkeypatch.setattr(_loop.Loop, "_save", refuse)
    assert call("train", "moons", *QUICK, "--out", "r", monkeypatch=monkeypatch) == 0
    assert sorted(os.listdir("r")) == ["config.toml", "result.nc"]


def test_an_edited_description_is_noticed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("train", "moons", *QUICK, "--out", "r", monkeypatch=monkeypatch) == 0
    edited = Path("r/config.toml").read_text().replace('"tanh"', '"sigmoid"')
    Path("r/config.toml").write_text(edited)
    assert call("report", "r", monkeypatch=monkeypatch) == 1
    assert "has been edited since" in capsys.readouterr().err


def test_names_with_signs_are_drawn_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(Path("f.csv"))
    path.write_text(path.read_text().replace("width", "a$^$").replace("yes", r"$\frac$"))
    argv = ["train", "f.csv", "--target", "ripe", *QUICK, "--out", "[bold]r"]
    assert call(*argv, monkeypatch=monkeypatch) == 0
    assert call("report", "[bold]r", monkeypatch=monkeypatch) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["moons", "--shots", "1000000000000000", "--inits", "1"],
            "so many shots needs .* available",
        ),
        (["moons", "--inits", "1000000000000000"], "needs .* available"),
        (["moons", "--layers", "1000000000"], "circuit.layers: expected less than or equal"),
        (["moons", "--lr", "1e308"], "training diverged at step .* lower the learning rate"),
        (["--config", "odd.toml"], "training.learning_rate.foo: no such field"),
    ],
)
def test_what_no_machine_can_do_is_one_clear_line(
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rate = "[training.learning_rate]\nstart = 0.1\nend = 0.01\nfoo = 3\n"
    Path("odd.toml").write_text(f'[data]\nsource = "moons"\n{rate}')
    assert call("train", *arguments, monkeypatch=monkeypatch) == 1
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert re.search(message, error), error
    # No folder either, which would stand in the way of the next attempt.
    assert list(Path("runs").glob("*")) == []


def test_a_description_with_other_values():
    config = RunConfig.parse({"data": {"source": "moons"}}, "options")
    other = config.replace({"objective.name": "elbo", "objective.weight": "50:1"})
    assert repr(other.build_objective()) == repr(qh.ELBO(qh.Schedule(50, 1)))
    assert repr(other.replace({"objective.weight": None}).build_objective()) == repr(qh.ELBO())
    assert repr(config.build_objective()) == repr(qh.SELBO())
    for values, message in (
        ({"objectiv.weight": 1}, r"^objectiv.weight: no such section \(did you mean 'objective'"),
        ({"objective.wieght": 1}, r"objective.wieght: no such field \(did you mean 'weight'"),
        ({"circuit.layers": 0}, "circuit.layers: expected"),
    ):
        with pytest.raises(ValueError, match=message):
            config.replace(values)


def test_optimiser_batches_patience_and_ground_truth_from_options(monkeypatch, tmp_path):
    options = ["--optimizer", "sgd", "--lr", "0.002", "--batch-size", "50", "--ground-truth", "5"]
    assert call("train", "moons", *QUICK, *options, "--out", "r", monkeypatch=monkeypatch) == 0
    run = runs.read(Path("r"))
    assert run.config.build_optimizer() == qh.SGD(0.002)
    assert run.result["truth_step"].values.tolist() == [0, 5, 10, 12]
    np.testing.assert_allclose(
        run.result["kl"][:, -1], run.result["trained"].sel(metric="kl"), rtol=1e-12
    )
    assert call("report", "r", monkeypatch=monkeypatch) == 0
    assert "the gap of the exact ELBO" in Path("r/report.html").read_text()
    options = ["--objective", "elbo", "--optimizer", "lbfgsb", "--steps", "300", "--patience", "2"]
    assert call("train", "moons", *QUICK, *options, "--out", "s", monkeypatch=monkeypatch) == 0
    assert runs.read(Path("s")).result.sizes["step"] < 300
