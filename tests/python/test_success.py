"""The predecessor's experiment: its shares against its runs, counted anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from oracles import all_bits
from scipy.stats import norm

from qhypernet import runs
from qhypernet.config import RunConfig
from qhypernet.experiments import EXPERIMENTS, Findings, Work, success

INITS = 6  # half of what a quick version has


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Findings:
    """Both tasks with fewer bits, at two depths."""
    tasks = {
        "blobs": {
            "data": {"source": "gaussian", "n_samples": 40},
            "network": {"hidden": (1,), "activation": ("sign", "tanh"), "removable": True},
        },
        "digits": {"data": {"source": "digits", "n_features": 3}},
    }
    monkeypatch.setattr(success, "_TASKS", tasks)
    monkeypatch.setattr(success, "_QUICK_DEPTHS", (1, 2))
    monkeypatch.setattr(Work, "inits", 2 * INITS)
    monkeypatch.chdir(tmp_path)
    original = runs.execute

    def execute(config: RunConfig, folder: Path, **options: object) -> runs.Run:
        return original(config.replace({"training.steps": 60}), folder, **options)

    monkeypatch.setattr(runs, "execute", execute)
    return EXPERIMENTS["success"].run(Work(Path("out"), True, lambda line: None))


def _runs() -> list[runs.Run]:
    return [runs.read(folder) for folder in Path("out/runs").iterdir() if folder.is_dir()]


def test_shares_are_those_of_the_runs(found: Findings) -> None:
    assert len(found.data) == 2 * 2 * 2
    shares = found.data.set_index(["task", "depth", "distance"])
    seen = set()
    for run in _runs():
        task = "blobs" if run.data.name == "gaussian" else "digits"
        depth = run.config.circuit.layers
        bits = all_bits(run.net.n_weights)
        losses = -run.net.log_likelihood(bits, run.data.X_train, run.data.y_train)
        end = run.result["expected_nll"].values[:, -1]
        for distance in (0.01, 0.05):
            good = (end - losses.min()) / len(run.data.y_train) <= distance
            row = shares.loc[task, depth, distance]
            assert row["share"] == good.mean()
            # The ends of Wilson's interval: where the share is 1.96 standard errors away.
            z = norm.ppf(0.975)
            for p in (row["low"], row["high"]):
                if 0 < p < 1:
                    error = np.sqrt(p * (1 - p) / INITS)
                    np.testing.assert_allclose(abs(good.mean() - p), z * error, atol=1e-9)
            seen.add((depth, round(float(row["share"]), 3)))
    assert len({share for _, share in seen}) > 1


def test_architectures_stand_beside_the_exact_posterior(found: Findings) -> None:
    (table,) = (t for caption, t in found.tables.items() if "architecture" in caption)
    assert list(table.columns[:2]) == ["exact posterior", "best network"]
    run = next(run for run in _runs() if run.net.n_architecture and run.config.circuit.layers == 2)
    bits = all_bits(run.net.n_weights)
    weights = np.exp(run.net.log_likelihood(bits, run.data.X_train, run.data.y_train))
    tanh_on = (bits[:, -2] == 1) & (bits[:, -1] == 0)
    expected = weights[tanh_on].sum() / weights.sum()
    assert table.loc["tanh, 1 of 1 units", "exact posterior"] == f"{expected:.3f}"
    best = int(np.argmin(run.result["expected_nll"].values[:, -1]))
    expected = run.probabilities(best)[tanh_on].sum()
    assert table.loc["tanh, 1 of 1 units", "best start, 2 layers"] == f"{expected:.3f}"
    assert "Within 0.01 nats a point" in found.text
