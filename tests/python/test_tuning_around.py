"""Tuning and what stands around it: packages, documentation, figures, data, the dashboard."""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.trial import TrialState
from test_tuning import call, description, write

import qhypernet as qh
from qhypernet import plotting
from qhypernet.tuning._config import TuneConfig


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def study() -> Any:
    return qh.tune(description(trials=2), "s")


def test_the_description_in_the_docs_is_one() -> None:
    text = (Path(__file__).parents[2] / "docs/tuning.md").read_text()
    (block,) = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    config = TuneConfig.parse(tomllib.loads(block), "docs")
    config.check()
    named = set(re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE))
    assert named == set(type(config.tune).model_fields)


@pytest.mark.parametrize(
    ("options", "package", "extra"),
    [
        (["--sampler", "gp"], "torch", "gp"),
        (["--sampler", "cmaes"], "cmaes", "cmaes"),
        (["--storage", "postgresql://u@localhost/x"], "psycopg", "postgresql"),
        (["--storage", "mysql://u@localhost/x"], "pymysql", "mysql"),
    ],
)
def test_what_is_not_installed_is_named_with_its_extra(
    options: list[str],
    package: str,
    extra: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *of: None if name == package else find(name, *of)
    )
    write(Path("study.toml"), description())
    assert call("tune", "study.toml", *options, "--out", "s", monkeypatch=monkeypatch) == 1
    error = capsys.readouterr().err
    assert f"expected {package} to be installed for" in error
    assert f"pip install 'qhypernet[{extra}]'" in error
    assert not Path("s").exists()


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_gaussian_processes_propose() -> None:
    study = qh.tune(description(sampler="gp", trials=13), "s")
    assert study.count(TrialState.COMPLETE) == 13


def test_slices_show_numbers_as_they_are_and_choices_side_by_side() -> None:
    settings = {"layers": [4, 1, None], "start": ["random", "near_uniform", "random"]}
    figure = plotting.slices(settings, [0.3, 0.2, 0.1], "nll", log=["layers"])
    layers, start = figure.axes
    points = [axes.collections[0].get_offsets().data.tolist() for axes in figure.axes]
    assert points == [[[4, 0.3], [1, 0.2]], [[1, 0.3], [0, 0.2], [1, 0.1]]]
    assert layers.get_xscale() == "log"
    assert [label.get_text() for label in start.get_xticklabels()] == ["near_\nuniform", "random"]


@pytest.mark.parametrize("ends", [(0.026, 0.8), (30.0, 3000.0), (1e-5, 1.0), (0.05, 0.08)])
def test_logarithmic_slices_have_a_few_labels_that_can_be_read(ends: tuple[float, float]) -> None:
    rates = np.geomspace(*ends, 9).tolist()
    figure = plotting.slices({"a": rates, "b": rates, "rate": rates}, rates, "nll", log=["rate"])
    figure.draw_without_rendering()
    axes = figure.axes[2]
    low, high = axes.get_xlim()
    ticks = zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
    shown = [label for place, label in ticks if low <= place <= high]
    assert not any(label.get_text() for label in axes.get_xticklabels(minor=True))
    boxes = [label.get_window_extent() for label in shown if label.get_text()]
    assert len(boxes) >= 2
    assert all(a.x1 < b.x0 for a, b in pairwise(boxes))


def test_regression_is_tuned_too() -> None:
    rows = ["x,y", *(f"{i},{np.sin(i / 9):.3f}" for i in range(40))]
    Path("t.csv").write_text("\n".join(rows))
    content = description(metrics=["rmse", "nll"])
    content["data"] = {"source": "t.csv", "target": "y", "regression": True}
    study = qh.tune(content, "s")
    assert study.count(TrialState.COMPLETE) == 3
    rmse = study.trials[0].user_attrs["scores"]["exact"]["rmse"]
    assert 0 < rmse < 2  # Targets are standardised.
    content["tune"]["metrics"] = ["accuracy"]
    with pytest.raises(ValueError, match=r"tune.metrics: expected one of rmse, .* got accuracy"):
        qh.tune(content, "t")


def test_data_that_have_changed_are_noticed() -> None:
    rows = ["x,y,c", *(f"{i},{i % 3},{'ab'[i % 2]}" for i in range(40))]
    Path("t.csv").write_text("\n".join(rows))
    content = description()
    content["data"] = {"source": "t.csv", "target": "c"}
    qh.tune(content, "s")
    Path("t.csv").write_text("\n".join(rows).replace("7,1,b", "9,1,b"))
    with pytest.raises(ValueError, match=r"of other data: t.csv has changed since"):
        qh.tune(content, "s")


def test_optuna_s_dashboard_opens_the_journal(study: Any) -> None:
    import io

    dashboard = pytest.importorskip("optuna_dashboard")
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    app = dashboard.wsgi(JournalStorage(JournalFileBackend("s/journal.log")))
    status: list[str] = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/api/studies",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
    }
    body = b"".join(app(environ, lambda code, *_: status.append(code)))
    assert status == ["200 OK"]
    assert study.optuna.study_name in json.dumps(json.loads(body))
