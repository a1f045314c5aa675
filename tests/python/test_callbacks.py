"""Callbacks: what they see, what logs hold, and that a training takes no notice of them."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from tensorboard.summary.writer import event_file_writer
from typer.testing import CliRunner

import qhypernet as qh
from qhypernet import _loop, runs
from qhypernet.callbacks import JSONLines, TensorBoard
from qhypernet.cli import app
from qhypernet.gradients import Exact

MOONS = qh.datasets.moons()
NET = qh.BinaryNetwork((2, 1, 1), activation="tanh")
PROBLEM = qh.Problem(NET, MOONS.X_train, MOONS.y_train)
HELD_OUT = qh.Problem(NET, MOONS.X_test, MOONS.y_test)
CIRCUIT = qh.ansatz.hardware_efficient(NET.n_weights, 2)
PATHS: list[dict[str, Any]] = [
    {"objective": qh.ELBO(qh.Schedule(9, 1))},
    {"gradient": "sampled", "shots": 20},
    {"gradient": "parameter_shift", "shots": 4},
    {"gradient": "spsa", "shots": 10},
    {"objective": qh.ELBO(), "optimizer": qh.LBFGSB()},
    {"batch_size": 20, "optimizer": qh.SGD(1e-4)},
    {"objective": qh.ELBO(), "stopping": qh.EarlyStopping(3)},
]


def train(callback: Any, **options: Any) -> qh.TrainingResult:
    settings = {"objective": qh.SELBO(), "n_inits": 3, "n_steps": 24, "seed": 2} | options
    return qh.train(CIRCUIT, PROBLEM, settings.pop("objective"), callback=callback, **settings)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    """What TensorBoard itself reads: values of every tag, by step; no step may be there twice."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
        events.Reload()
    found = {}
    for tag in events.Tags()["scalars"]:
        values = events.Scalars(tag)
        found[tag] = {event.step: event.value for event in values}
        assert len(found[tag]) == len(values)
    return found


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_logs_hold_the_history_and_change_nothing(path: dict[str, Any], tmp_path: Path) -> None:
    log, board = tmp_path / "log.jsonl", tmp_path / "board"
    alone = train(None, **path)
    r = train([JSONLines(log), TensorBoard(board)], **path, validation=HELD_OUT)
    assert np.array_equal(r.params, alone.params)
    assert r.history.identical(alone.history)
    found, seen = lines(log), scalars(board)
    steps = [line["step"] for line in found]
    assert steps == list(range(1, r.history.sizes["step"] + 1))
    for name in ("objective", "expected_nll", "regularizer", "gradient_norm"):
        values = r.history[name].values
        assert np.array_equal([line[name] for line in found], values.T)
        median = np.median(values, axis=0)
        np.testing.assert_allclose(list(seen[f"{name}/median"].values()), median, rtol=1e-6)
    for name in {"weight", "learning_rate"} & set(r.history):
        assert [line[name] for line in found] == r.history[name].values.tolist()
        np.testing.assert_allclose(list(seen[name].values()), r.history[name], rtol=1e-6)
    assert set(seen["objective/best"]) == set(steps)
    lowest = r.history["objective"].values.min(axis=0)
    np.testing.assert_allclose(list(seen["objective/best"].values()), lowest, rtol=1e-6)
    due = [step for step in steps if step in (1, 24) or step % 10 == 0]
    assert [line["step"] for line in found if "train" in line] == due
    assert list(seen["validation/nll/median"]) == due


def test_metrics_are_those_of_the_posterior_predictive() -> None:
    """Recalculated network by network from the probabilities of the circuit at these angles."""
    seen: list[qh.TrainingStep] = []
    train(seen.append, n_steps=7, validation=HELD_OUT)
    step = seen[-1]
    for part, problem in (("train", PROBLEM), ("validation", HELD_OUT)):
        found = step.metrics(part)
        for init, params in enumerate(step.params):
            p = np.zeros(len(problem.y))
            for outcome, q in enumerate(CIRCUIT.simulate(params).probabilities()):
                w = 1.0 - 2.0 * (outcome >> np.arange(5) & 1)
                hidden = np.tanh(problem.X @ w[:2] + w[2])
                p += q / (1 + np.exp(-(w[3] * hidden + w[4])))
            right = (p > 0.5) == problem.y
            assert found["accuracy"][init] == pytest.approx(right.mean())
            own = np.where(problem.y == 1, p, 1 - p)
            assert found["nll"][init] == pytest.approx(-np.log(own).mean())
            assert found["brier"][init] == pytest.approx(2 * ((1 - own) ** 2).mean())
    with pytest.raises(ValueError, match="part: expected one of train, validation, got 'test'"):
        step.metrics("test")


def test_a_start_that_diverged_is_nothing_in_logs(tmp_path: Path) -> None:
    start = np.zeros((2, CIRCUIT.n_params))
    start[1] = 1e308
    with pytest.warns(RuntimeWarning, match="diverged in 1 of 2"):
        train(
            [JSONLines(tmp_path / "log"), TensorBoard(tmp_path / "board")],
            n_inits=2,
            start=start,
            optimizer=qh.SGD(1e308),
            n_steps=1,
        )
    (line,) = lines(tmp_path / "log")
    seen = scalars(tmp_path / "board")
    assert line["objective"][1] is None
    assert line["train"]["accuracy"][1] is None
    assert seen["objective/median"][1] == pytest.approx(line["objective"][0], rel=1e-6)
    assert seen["train/nll/best"][1] == pytest.approx(line["train"]["nll"][0], rel=1e-6)


def dying(monkeypatch: pytest.MonkeyPatch, at_step: int) -> None:
    original = Exact.__call__

    def call(self: Exact, *args: Any, step: int, **options: Any) -> Any:
        if step == at_step:
            raise OSError("the machine is gone")
        return original(self, *args, step=step, **options)

    monkeypatch.setattr(Exact, "__call__", call)


@pytest.mark.parametrize("torn", [0, 1, 5, 200], ids=lambda n: f"{n} bytes torn off")
def test_logs_of_a_training_that_died_go_on_without_a_step_twice(
    torn: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def callbacks(name: str) -> list[Any]:
        return [JSONLines(tmp_path / f"{name}.jsonl"), TensorBoard(tmp_path / name)]

    # The second file of "again" would come before its first by name, were both of one second.
    monkeypatch.setattr(event_file_writer, "_global_uid", type(event_file_writer._global_uid)(8))
    whole = train(callbacks("whole"))
    saved: list[int] = []
    with monkeypatch.context() as patch:
        # A checkpoint after the 11th step, and none after that.
        patch.setattr(_loop, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)
        original = _loop.Loop._save

        def save(self: _loop.Loop, path: Path) -> None:
            if self.done <= 11:
                saved.append(self.done)
                original(self, path)

        patch.setattr(_loop.Loop, "_save", save)
        dying(patch, 17)
        with pytest.raises(OSError, match="gone"):
            train(callbacks("again"), checkpoint=tmp_path / "c.nc")
    assert saved[-1] == 11
    log = tmp_path / "again.jsonl"
    assert lines(log)[-1]["step"] == 17
    log.write_bytes(log.read_bytes()[: -torn or None])
    again = train(callbacks("again"), checkpoint=tmp_path / "c.nc")
    assert np.array_equal(again.params, whole.params)
    assert log.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert scalars(tmp_path / "again") == scalars(tmp_path / "whole")
    # Once more from the start, in one folder and file: it is as if nothing had been there.
    train(callbacks("again"), n_steps=5)
    assert [line["step"] for line in lines(log)] == [1, 2, 3, 4, 5]
    assert set(scalars(tmp_path / "again")["objective/median"]) == {1, 2, 3, 4, 5}


def test_a_file_with_something_else_is_left_alone(tmp_path: Path) -> None:
    for content in (b"a,b\n1,2\n", b'{"step": 1, "objective": [0.5]}\nand more\n', b"short"):
        (tmp_path / "f").write_bytes(content)
        with pytest.raises(ValueError, match="path: expected a log of training or no file yet"):
            train(JSONLines(tmp_path / "f"))
        assert (tmp_path / "f").read_bytes() == content
    with pytest.raises(ValueError, match="path: expected a file in a folder that exists"):
        train(JSONLines(tmp_path / "none" / "f"))
    with pytest.raises(ValueError, match="path: expected a file"):
        train(JSONLines(tmp_path))


class Watching:
    """A callback that is a context manager."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def __enter__(self) -> Watching:
        self.events.append("in")
        return self

    def __exit__(self, *error: object) -> None:
        self.events.append("out")

    def __call__(self, step: qh.TrainingStep) -> np.bool_:
        self.events.append(str(step.step))
        return np.float64(step.step) >= 3  # NumPy's own kind of True.


def test_all_are_called_until_one_has_had_enough_and_all_are_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watching, seen = Watching(), []
    train([watching, lambda step: seen.append(step.step)])
    assert watching.events == ["in", "1", "2", "3", "out"]
    assert seen == [1, 2, 3]
    dying(monkeypatch, 1)
    with pytest.raises(OSError, match="gone"):
        train(watching)
    assert watching.events[5:] == ["in", "1", "out"]
    # A number that happens to be 1 is no answer.
    assert train(lambda step: 1, n_steps=1).history.sizes["step"] == 1
    monkeypatch.undo()
    assert train(lambda step: 1, n_steps=4).history.sizes["step"] == 4


@pytest.mark.parametrize("smaller", [True, False])
def test_a_recipe_shows_the_whole_circuit(smaller: bool) -> None:
    activation = "tanh" if smaller else "relu"
    net = qh.BinaryNetwork((2, 1, 1), activation=activation)
    problem, held_out = (qh.Problem(net, p.X, p.y) for p in (PROBLEM, HELD_OUT))
    make = qh.recipes.sign_symmetric if smaller else qh.recipes.hardware_efficient
    recipe = make(problem, n_layers=2, n_steps=3)
    assert (recipe.smaller is not None) == smaller
    seen: list[qh.TrainingStep] = []
    r = recipe.train(n_inits=2, callback=seen.append, validation=held_out)
    q = r.probabilities()
    expected = qh.predict(net, MOONS.X_test, q).probabilities
    nll = qh.prediction.nll(expected, MOONS.y_test)
    np.testing.assert_allclose(seen[-1].metrics("validation")["nll"], nll, rtol=1e-12)
    assert set(seen[-1].data) == {"train", "validation"}


def test_an_estimator_shows_metrics_on_its_own_features(tmp_path: Path) -> None:
    labels = np.array(["inner", "outer"])
    # All wrong, so that nobody takes one part for the other.
    y, y_val = labels[MOONS.y_train], labels[1 - MOONS.y_test]
    X, X_val = 100 + 30 * MOONS.X_train, 100 + 30 * MOONS.X_test
    log = JSONLines(tmp_path / "log", metrics_every=5)
    model = qh.QHNClassifier(
        hidden=1, n_inits=2, n_steps=15, n_samples=20_000, random_state=0, callback=[log]
    ).fit(X, y, X_val=X_val, y_val=y_val)
    last = lines(tmp_path / "log")[-1]
    assert last["step"] == 15
    # The stored networks are 20000 draws from what the metrics are exact for: five standard errors
    # of a probability are 5 * 0.5 / sqrt(20000) = 0.018, and accuracies move by few points.
    for part, points, target in (("train", X, y), ("validation", X_val, y_val)):
        p = model.predict_proba(points)
        own = np.take_along_axis(p, np.searchsorted(labels, target)[:, None], axis=1)
        nll = last[part]["nll"][model.best_init_]
        assert nll == pytest.approx(-np.log(own).mean(), abs=0.02)
        accuracy = last[part]["accuracy"][model.best_init_]
        assert accuracy == pytest.approx(model.score(points, target), abs=0.02)
    # Clones and refits write the file anew.
    clone(model).set_params(n_steps=2).fit(X, y)
    assert [line["step"] for line in lines(tmp_path / "log")] == [1, 2]
    with pytest.raises(ValueError, match=r"y_val: expected labels that y has.*got 'other' too"):
        model.fit(X, y, X_val=X_val[:2], y_val=["inner", "other"])
    with pytest.raises(ValueError, match="X_val, y_val: expected both or none, got only X_val"):
        model.fit(X, y, X_val=X_val)
    with pytest.raises(ValueError, match="X has 3 features, but QHNClassifier is expecting 2"):
        model.fit(X, y, X_val=np.zeros((2, 3)), y_val=labels)


def test_a_regressor_shows_metrics_in_standard_deviations_of_the_target() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 2))
    y = 30 + 7 * (X[:, 0] + X[:, 1])
    seen: list[qh.TrainingStep] = []
    model = qh.QHNRegressor(
        n_inits=1, n_steps=20, n_samples=20_000, random_state=0, callback=seen.append
    ).fit(X[:30], y[:30], X_val=X[30:], y_val=y[30:])
    rmse = np.sqrt(((model.predict(X[30:]) - y[30:]) ** 2).mean()) / y[:30].std()
    assert seen[-1].metrics("validation")["rmse"][0] == pytest.approx(rmse, abs=0.02)


def test_an_estimator_goes_on_from_its_checkpoint(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"n_inits": 2, "n_steps": 30, "random_state": 1}
    file = tmp_path / "c.nc"
    whole = qh.QHNClassifier(**options).fit(MOONS.X_train, MOONS.y_train)
    model = qh.QHNClassifier(
        **options, checkpoint=file, callback=JSONLines(tmp_path / "log", metrics_every=None)
    )
    with monkeypatch.context() as patch:
        patch.setattr(_loop, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)
        dying(patch, 17)
        with pytest.raises(OSError, match="gone"):
            model.fit(MOONS.X_train, MOONS.y_train)
    dying(monkeypatch, 16)  # That step is not taken again.
    model.fit(MOONS.X_train, MOONS.y_train)
    assert np.array_equal(model.params_, whole.params_)
    assert np.array_equal(model.networks_, whole.networks_)
    assert [line["step"] for line in lines(tmp_path / "log")] == list(range(1, 31))
    # What a training writes is no part of the model.
    model.save(tmp_path / "m.nc")
    loaded = qh.load(tmp_path / "m.nc")
    assert (loaded.callback, loaded.checkpoint) == (None, None)


def test_the_command_writes_logs_and_goes_on_with_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["train", "moons", "--inits", "2", "--steps", "12", "--seed", "3", "--out"]
    whole = CliRunner().invoke(app, [*arguments, "whole", "--log", "jsonl,tensorboard"])
    assert whole.exit_code == 0, whole.output
    with monkeypatch.context() as patch:
        patch.setattr(_loop, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)
        dying(patch, 7)
        died = CliRunner().invoke(app, [*arguments, "r", "--log", "jsonl"])
        assert "gone" in str(died.exception)
    assert CliRunner().invoke(app, [*arguments, "r"]).exit_code == 0
    log = Path("r/log.jsonl").read_bytes()
    assert log == Path("whole/log.jsonl").read_bytes()
    assert set(scalars(Path("whole/tensorboard"))["test/accuracy/median"]) == {1, 10, 12}
    last = lines(Path("r/log.jsonl"))[-1]
    trained = runs.read(Path("r")).result["trained"].sel(metric="accuracy").values
    np.testing.assert_allclose(last["test"]["accuracy"], trained)
    wrong = CliRunner().invoke(app, ["train", "moons", "--log", "json"])
    assert "log: expected one of jsonl, tensorboard, got 'json' (did you mean 'jsonl'?)" in str(
        wrong.exception
    )


def test_bad_callbacks_are_refused() -> None:
    for bad in (3, [3], JSONLines, "print"):
        with pytest.raises(TypeError, match="callback: expected a function of a TrainingStep"):
            train(bad)
    with pytest.raises(ValueError, match="metrics_every: expected a whole number of at least 1"):
        JSONLines("log", metrics_every=0)
    with pytest.raises(TypeError, match="validation: expected a Problem or None"):
        train(None, validation=MOONS)
    other = qh.Problem(qh.BinaryNetwork((2, 1)), MOONS.X_test, MOONS.y_test)
    with pytest.raises(ValueError, match="a network of 5 weights, one a qubit, got one of 3"):
        train(None, validation=other)
    table: NDArray[np.float64] = PROBLEM.table
    with pytest.raises(ValueError, match="a table without points"):
        qh.train(CIRCUIT, table, qh.MLE(), callback=lambda step: step.metrics("train"))


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'qhypernet\[tensorboard\]'"):
        TensorBoard("folder")
