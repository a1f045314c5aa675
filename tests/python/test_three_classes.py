"""Classification of three digits from data to report, against sums over networks."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from oracles import all_bits
from scipy.special import softmax
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

import qhypernet as qh
from qhypernet import cli, runs


def _call(*arguments, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["qhypernet", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return int(stop.value.code or 0)


def test_from_the_command_to_the_report(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    argv = ["train", "digits", "--classes", "0,1,2", "--features", "3", "--inits", "2"]
    argv += ["--steps", "5", "--start", "near_uniform", "--out", "r"]
    assert _call(*argv, monkeypatch=monkeypatch) == 0
    assert "logistic regression" in capsys.readouterr().out
    run = runs.read(Path("r"))
    assert run.net.layers == (3, 3)
    logits = run.net.logits(all_bits(run.net.n_weights), run.data.X_test)
    y, points = run.data.y_test, np.arange(len(run.data.y_test))
    posterior = run.posterior()
    rows = [(run.result["trained"][i], run.probabilities(i)) for i in range(2)]
    rows.append(
        (run.result["ground_truth"].sel(reference="exact posterior"), posterior.probabilities)
    )
    for found, q in rows:
        p = np.tensordot(q, softmax(logits, axis=2), 1)
        right = (logits.argmax(axis=2) == y).mean(axis=1)
        expected = {
            "accuracy": (p.argmax(axis=1) == y).mean(),
            "nll": -np.log(p[points, y]).mean(),
            "brier": ((p - np.eye(3)[y]) ** 2).sum(axis=1).mean(),
            "expected_accuracy": q @ right,
            "kl": q @ (np.log(np.maximum(q, 1e-300)) - posterior.log_probabilities),
        }
        for name, value in expected.items():
            np.testing.assert_allclose(found.sel(metric=name), value, atol=1e-9)
    # Three digits are learnt: the posterior is far better than chance.
    assert rows[2][0].sel(metric="accuracy") > 0.8
    assert _call("report", "r", monkeypatch=monkeypatch) == 0
    page = Path("r/report.html").read_text()
    assert "Test points by their class and the predicted one" in page
    assert "classes 0, 1, 2" in page


def test_components_equal_those_of_scikit_learn():
    pixels = qh.datasets.digits((3, 5, 8), seed=2)
    found = qh.datasets.digits((3, 5, 8), seed=2, n_features=5)
    scaled = StandardScaler().fit(pixels.X_train)
    analysis = PCA(5, svd_solver="full").fit(scaled.transform(pixels.X_train))
    for part in ("train", "test"):
        X = getattr(pixels, f"X_{part}")
        expected = analysis.transform(scaled.transform(X)) / np.sqrt(
            analysis.explained_variance_ * (1 - 1 / len(pixels.X_train))
        )
        signs = np.sign((expected * getattr(found, f"X_{part}")).sum(axis=0))
        np.testing.assert_allclose(getattr(found, f"X_{part}"), expected * signs, atol=1e-9)
    assert found.image_shape is None
    assert found.feature_names[4] == "component 5"


def test_pixels_of_three_digits_are_too_many_and_the_message_says_what_helps(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert _call("train", "digits", "--classes", "0,1,2", monkeypatch=monkeypatch) == 1
    assert "n_features" in capsys.readouterr().err
    assert _call("train", "moons", "--features", "3", monkeypatch=monkeypatch) == 1
    assert "n_features=3 has no meaning" in capsys.readouterr().err
    with pytest.raises(ValueError, match="n_features: expected a whole number from 1 to 16"):
        qh.datasets.digits(n_features=17)
