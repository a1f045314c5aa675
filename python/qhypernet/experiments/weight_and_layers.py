"""Regularisation weight and number of layers as two axes."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from qhypernet.experiments._base import Experiment, Findings, Work
from qhypernet.experiments._settings import LABELS, paper

if TYPE_CHECKING:
    import pandas as pd

_WEIGHTS = {"elbo": (0.3, 1.0, 3.0, 10.0), "selbo": (3.0, 30.0, 300.0, 3000.0)}
_LAYERS = (1, 2, 4, 8)
_METRICS = {"accuracy": "accuracy", "nll": "NLL", "kl": "KL to the posterior"}


class WeightAndLayers(Experiment):
    """What the regulariser's weight does, at one layer and at more."""

    name = "weight"
    title = "Regularisation weight and number of layers"
    about = "Accuracy, NLL and KL over weight and layers on moons, 100 shots."

    def run(self, work: Work) -> Findings:
        """Trains the grid."""
        import pandas as pd

        inits = max(4, work.inits // 5)
        layers = _LAYERS[:2] if work.quick else _LAYERS
        rows, tables = [], {}
        for objective, weights in _WEIGHTS.items():
            for weight, depth in itertools.product(weights, layers):
                values = {"objective__weight": weight, "circuit__layers": depth}
                run = work.run(paper("moons", objective, inits, **values))
                for i, row in enumerate(run.result["trained"].sel(metric=list(_METRICS)).values):
                    place = {"objective": LABELS[objective], "weight": weight, "layers": depth}
                    rows.append(place | {"init": i} | dict(zip(_METRICS, row, strict=True)))
        frame = pd.DataFrame(rows)
        for label, metric in itertools.product(("ELBO", "SELBO"), _METRICS):
            own = frame[frame["objective"] == label]
            tables[f"{label}: {_METRICS[metric]}, median of {inits} starts"] = _pivot(own, metric)
        best = {
            label: frame[frame["objective"] == label]
            .groupby(["weight", "layers"])["nll"]
            .median()
            .idxmin()
            for label in ("ELBO", "SELBO")
        }
        words = [f"{k}: weight {w:g} with {n} layers" for k, (w, n) in best.items()]
        text = (
            "Moons, 100 shots a step, 150 steps, random starts, learning rate 0.1. Lowest median "
            f"NLL: {'; '.join(words)}. The KL is to the exact posterior, so it shows what accuracy "
            "does not: how far the trained distribution is from the one that it stands for."
        )
        return Findings(text, tables, {}, frame)


def _pivot(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    table = frame.pivot_table(index="weight", columns="layers", values=metric, aggfunc="median")
    table = table.map(lambda value: f"{value:.3f}")
    table.index = table.index.map(lambda weight: f"weight {weight:g}")
    table.columns = table.columns.map(lambda n: f"{n} layer" + "s" * (n != 1))
    return table
