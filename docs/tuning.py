"""Tunes MLE, ELBO and SELBO by an equal budget, and tests the best and the default settings.

Run as ``python docs/tuning.py``; goes on where it was stopped, and prints the table of tuning.md.
Studies are kept in studies/, or in the folder that is named; what is tested is trained on the whole
training part from starts that no trial has seen.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import qhypernet as qh
from qhypernet import runs
from qhypernet.config import RunConfig

DATA = ("gaussian", "moons", "rings")
WEIGHTS = {
    "mle": {},
    "elbo": {"objective.weight": {"low": 0.1, "high": 100.0, "log": True}},
    "selbo": {"objective.weight": {"low": 1.0, "high": 3000.0, "log": True}},
}
TRIALS, INITS, STEPS, SHOTS = 40, 20, 150, 100
METRICS = ("accuracy", "nll", "kl")


def description(source: str, objective: str) -> dict:
    """A 2-3-1 network of 13 weights, and what is searched."""
    ranges = WEIGHTS[objective] | {
        "training.learning_rate": {"low": 0.01, "high": 0.5, "log": True},
        "training.start": {"choices": ["random", "near_uniform", "near_identity"]},
        "circuit.ansatz": {"choices": ["hardware_efficient", "brickwork", "sign_symmetric"]},
        "circuit.layers": {"low": 1, "high": 4},
    }
    return {
        "data": {"source": source},
        "network": {"hidden": [3], "activation": "tanh"},
        "objective": {"name": objective},
        "training": {"inits": INITS, "steps": STEPS, "shots": SHOTS},
        "tune": {"trials": TRIALS, "ranges": ranges},
    }


def tested(config: RunConfig, folder: Path) -> np.ndarray:
    """Metrics on the test part, of starts that diverged not less than of others."""
    other = config.replace({"training.seed": 1, "training.inits": 50})
    run = runs.execute(other, folder)
    values = run.result["trained"].sel(metric=list(METRICS)).values
    exact = run.result["ground_truth"].sel(reference="exact posterior", metric=list(METRICS))
    return np.stack([values.mean(axis=0), values.std(axis=0), exact.values])


root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("studies")
for source in DATA:
    for objective in WEIGHTS:
        folder = root / f"{source}-{objective}"
        study = qh.tune(description(source, objective), folder)
        seconds = sum(trial.duration.total_seconds() for trial in study.trials)
        best = study.best[0]
        settings = {"default": study.config.run(), "tuned": study.description(best)}
        for name, config in settings.items():
            mean, spread, exact = tested(config, root / f"{source}-{objective}-{name}")
            cells = " | ".join(f"{m:.3f} ± {s:.3f}" for m, s in zip(mean, spread, strict=True))
            print(f"| {source} | {objective} | {name} | {cells} |", flush=True)
        print(f"| {source} | exact posterior | | {' | '.join(f'{e:.3f}' for e in exact)} |")
        print(f"{seconds:.0f} s, the best is trial {best.number}:", study.values(best), flush=True)
