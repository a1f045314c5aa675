"""The predecessor's question: how often training finds the best network, over circuit depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from qhypernet.config import RunConfig
from qhypernet.experiments._base import Experiment, Findings, Work
from qhypernet.experiments._figures import legend, panels
from qhypernet.plotting._style import BLUE, ORANGE, house_style
from qhypernet.posterior import best_network
from qhypernet.runs import Run

if TYPE_CHECKING:
    import pandas as pd

_TASKS: dict[str, dict[str, Any]] = {
    "Gaussian blobs: weights and architecture": {
        "data": {"source": "gaussian"},
        "network": {"hidden": (3,), "activation": ("sign", "tanh"), "removable": True},
    },
    "4 x 4 digits 0 and 1: logistic regression": {
        "data": {"source": "digits", "classes": (0, 1)},
    },
}
"""Both have 17 bits; the first has 13 weights, 1 bit for the activation and 3 that remove units."""
_DEPTHS = (1, 2, 4, 6)
_QUICK_DEPTHS = (1, 4)
_DISTANCES = {0.01: BLUE, 0.05: ORANGE}
"""Of a success from the best loss, in nats a training point."""
_SHOWN = 6


class Success(Experiment):
    """Success probability over depth (Carrasquilla et al. 2023, arXiv 2301.08292)."""

    name = "success"
    title = "Success probability over depth, weights and architecture searched together"
    about = "How often a brickwork circuit finds the best network, over its depth, on two tasks."

    def run(self, work: Work) -> Findings:
        """Trains both tasks at every depth."""
        import pandas as pd

        depths = _QUICK_DEPTHS if work.quick else _DEPTHS
        rows: list[dict[str, object]] = []
        tables: dict[str, pd.DataFrame] = {}
        with house_style():
            figure, axes = panels(len(_TASKS))
            for panel, task in zip(axes, _TASKS, strict=True):
                of_depth = {depth: work.run(_config(task, depth, work)) for depth in depths}
                own = [row for depth, run in of_depth.items() for row in _rows(task, depth, run)]
                frame = pd.DataFrame(own)
                for distance, colour in _DISTANCES.items():
                    part = frame[frame["distance"] == distance]
                    error = [part["share"] - part["low"], part["high"] - part["share"]]
                    label = f"within {distance:g} nats a point"
                    panel.errorbar(
                        part["depth"],
                        part["share"],
                        np.abs(error),
                        color=colour,
                        marker="o",
                        elinewidth=1.0,
                        label=label,
                    )
                panel.set(title=task, xlabel="circuit layers", xticks=depths, ylim=(-0.03, 1.03))
                rows += own
                if of_depth[depths[0]].net.n_architecture:
                    tables[f"{task}: probability of each architecture"] = _architectures(of_depth)
            axes[0].set_ylabel("success probability")
            legend(figure, axes[0])
        data = pd.DataFrame(rows)
        tables = {"Share of starts that succeed": _pivot(data)} | tables
        text = (
            f"MLE with exact gradients, brickwork circuits of 17 qubits, {_inits(work)} random "
            f"starts, {_config(next(iter(_TASKS)), 1, work).training.steps} steps of Adam at 0.1. "
            "A start succeeds if its expected loss at the end is within the stated distance of "
            "the best of all 131,072 networks, which is found by enumeration; bars are 95 % "
            "intervals (Wilson). One layer is a product of independent bits, so what it reaches "
            f"is what no entanglement is needed for. {_words(data)}"
        )
        return Findings(
            text, tables, {"Share of starts that end near the best loss.": figure}, data
        )


def _config(task: str, depth: int, work: Work) -> RunConfig:
    content = _TASKS[task] | {
        "circuit": {"ansatz": "brickwork", "layers": depth},
        "objective": {"name": "mle"},
        "training": {"inits": _inits(work), "steps": 150 if work.quick else 300},
    }
    return RunConfig.parse(content, "experiment")


def _inits(work: Work) -> int:
    # States of 17 qubits: fewer starts than elsewhere.
    return work.inits // 2 if work.quick else 24


def _rows(task: str, depth: int, run: Run) -> list[dict[str, object]]:
    from scipy.stats import binomtest

    best = -float(run.problem().table.max())
    loss = run.result["expected_nll"].values[~run.failed, -1]
    away = (loss - best) / len(run.data.y_train)
    rows: list[dict[str, object]] = []
    for distance in _DISTANCES:
        count = int((away <= distance).sum())
        low, high = binomtest(count, len(run.failed)).proportion_ci(method="wilson")
        rows.append(
            {
                "task": task,
                "depth": depth,
                "distance": distance,
                "share": count / len(run.failed),
                "low": low,
                "high": high,
                "median distance": float(np.median(away)),
            }
        )
    return rows


def _architectures(of_depth: dict[int, Run]) -> pd.DataFrame:
    """The exact posterior's, the best network's, and those of the start with the lowest loss."""
    import pandas as pd

    run = next(iter(of_depth.values()))
    exact = run.net.architecture_probabilities(run.posterior().probabilities)
    best = np.zeros(2**run.net.n_weights)
    best[best_network(run.problem().table)] = 1.0
    columns = {"exact posterior": exact, "best network": run.net.architecture_probabilities(best)}
    for depth, trained in of_depth.items():
        lowest = int(np.nanargmin(trained.result["expected_nll"].values[:, -1]))
        q = trained.probabilities(lowest)
        columns[f"best start, {_layers(depth)}"] = run.net.architecture_probabilities(q)
    frame = pd.DataFrame(columns)
    order = frame.max(axis=1).sort_values(ascending=False, kind="stable").index[:_SHOWN]
    return frame.loc[order].map(lambda value: f"{value:.3f}")


def _pivot(data: pd.DataFrame) -> pd.DataFrame:
    table = data.pivot_table(index=["task", "distance"], columns="depth", values="share")
    table.index = [f"{task}, within {distance:g}" for task, distance in table.index]
    table.columns = [_layers(depth) for depth in table.columns]
    return table.map(lambda value: f"{value:.2f}")


def _layers(depth: int) -> str:
    return f"{depth} layer" if depth == 1 else f"{depth} layers"


def _words(data: pd.DataFrame) -> str:
    """What depth does, as it was found."""
    sentences = []
    for task, part in data[data["distance"] == min(_DISTANCES)].groupby("task", sort=False):
        first, best = part.iloc[0], part.loc[part["share"].idxmax()]
        sentences.append(
            f"{task}: {first['share']:.0%} at {_layers(first['depth'])}, at best "
            f"{best['share']:.0%} ({_layers(best['depth'])})"
        )
    return f"Within {min(_DISTANCES):g} nats a point. " + ". ".join(sentences) + "."
