"""What goes beyond the paper: recipes, depth and shots, against trainings done anew."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import qhypernet as qh
from qhypernet.experiments import EXPERIMENTS, Findings, Work, depth, posterior, shots

NET = qh.BinaryNetwork((2, 1, 1), activation="tanh")


def _problem(data: str = "moons", seed: int = 0) -> qh.Problem:
    drawn = qh.datasets.load(data, seed=seed)
    return qh.Problem(NET, drawn.X_train, drawn.y_train)


def _run(name: str, folder: Path, quick: bool = False) -> tuple[Findings, list[str]]:
    said: list[str] = []
    return EXPERIMENTS[name].run(Work(folder, quick, said.append)), said


def _kl(problem: qh.Problem, q: np.ndarray) -> np.ndarray:
    log_posterior = problem.table - np.logaddexp.reduce(problem.table)
    terms = np.where(q > 0, q * (np.log(np.maximum(q, 1e-300)) - log_posterior), 0)
    return terms.sum(axis=-1)


def test_recipes_are_measured_on_every_problem_and_held_against_their_goals(tmp_path, monkeypatch):
    goal = dataclasses.replace(
        posterior._GOALS[0],
        hidden=1,
        layers=3,
        steps=60,
        seeds=(0, 5),
        inits=3,
        activations=("tanh",),
    )
    findings, said = _run_with(monkeypatch, tmp_path, goal)
    assert len(said) == 6
    (table,) = findings.tables.values()
    kls = {}
    for data in ("gaussian", "moons", "rings"):
        for seed in (0, 5):
            problem = _problem(data, seed)
            r = qh.recipes.sign_symmetric(problem, n_layers=3, n_steps=60).train(n_inits=3)
            kls[data, seed] = kl = _kl(problem, r.probabilities())
            row = table.loc[f"{data}, tanh, data seed {seed}"]
            assert float(row["median KL"]) == pytest.approx(np.median(kl), rel=0.06)
            assert float(row["largest KL"]) == pytest.approx(kl.max(), rel=0.06)
    # A bound between the problems' largest values: so many of them are within it.
    largest = sorted(kl.max() for kl in kls.values())
    between = (largest[2] + largest[3]) / 2
    some = dataclasses.replace(goal, median=between, bound=between, share=1.0)
    text = _run_with(monkeypatch, tmp_path, some)[0].text
    assert "on 3 of 6 problems." in text


def _run_with(
    monkeypatch: pytest.MonkeyPatch, folder: Path, goal: posterior._Goal
) -> tuple[Findings, list[str]]:
    monkeypatch.setattr(posterior, "_GOALS", (goal,))
    return _run("posterior", folder)


def test_depth_shows_the_kl_of_each_method_and_what_was_done_is_not_done_again(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(depth, "_problem", lambda work: _problem())
    kept = {k: depth._METHODS[k] for k in ("ELBO", "annealed ELBO")}
    monkeypatch.setattr(depth, "_METHODS", kept)
    findings, said = _run("depth", tmp_path, quick=True)
    assert len(said) == 2 * 2 + 3
    frame = findings.data
    circuit = qh.ansatz.hardware_efficient(NET.n_weights, 4)
    r = qh.train(circuit, _problem(), qh.ELBO(), n_inits=4, n_steps=200)
    own = frame[(frame.method == "ELBO") & (frame.layers == 4)]
    np.testing.assert_allclose(own["KL"], _kl(_problem(), r.probabilities()), rtol=1e-9, atol=1e-12)
    field = qh.baselines.METHODS["mean field"].fit(_problem(), n_inits=4)
    own = frame[frame.method == "mean field"]
    np.testing.assert_allclose(own["KL"], _kl(_problem(), field.probabilities()), rtol=1e-9)
    again, said = _run("depth", tmp_path, quick=True)
    assert not said
    assert again.data.equals(frame)
    # Other settings under the same name are other results.
    monkeypatch.setitem(depth._METHODS, "ELBO", depth._plain(qh.ELBO(beta=3.0)))
    other, said = _run("depth", tmp_path, quick=True)
    assert [line.split(",")[0] for line in said] == ["ELBO", "ELBO"]
    assert not other.data.equals(frame)


def test_shots_stand_beside_the_floor(tmp_path, monkeypatch):
    monkeypatch.setattr(shots, "_problem", lambda data: _problem(data))
    monkeypatch.setattr(shots, "DATA", ("moons",))
    findings, _ = _run("shots", tmp_path, quick=True)
    (table,) = findings.tables.values()
    floor = qh.floor(qh.SELBO(30), _problem()).kl
    assert float(table.loc["moons", "floor"]) == pytest.approx(floor, rel=0.06)
    r = qh.train(
        qh.ansatz.hardware_efficient(NET.n_weights, shots._LAYERS),
        _problem(),
        qh.SELBO(qh.Schedule(3000, 30, fraction=0.7)),
        n_inits=4,
        n_steps=60,
        optimizer=qh.Adam(qh.Schedule(0.1, 0.01, "cosine")),
        gradient="sampled",
        shots=1000,
        start="near_uniform",
    )
    own = findings.data[findings.data.shots == 1000]
    np.testing.assert_allclose(own["KL"], _kl(_problem(), r.probabilities()), rtol=1e-9)
