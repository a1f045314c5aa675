"""Fig. 4: training curves of MLE, ELBO and SELBO."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qhypernet.experiments._base import Experiment, Findings, Work
from qhypernet.experiments._figures import COLOURS, LINES, band, legend, panels
from qhypernet.experiments._settings import DATA, LABELS, OBJECTIVES, paper
from qhypernet.plotting._style import EXACT, house_style

if TYPE_CHECKING:
    import pandas as pd


class Curves(Experiment):
    """The expected negative log-likelihood on the way, for three objectives."""

    name = "fig4"
    title = "Fig. 4: training curves of (S)ELBO and MLE"
    about = "Expected negative log-likelihood over training on all three data sets."

    def run(self, work: Work) -> Findings:
        """Trains nine times and averages."""
        import pandas as pd

        rows: list[pd.DataFrame] = []
        table: dict[str, dict[str, str]] = {}
        with house_style():
            figure, axes = panels(len(DATA))
            for panel, data in zip(axes, DATA, strict=True):
                for objective in OBJECTIVES:
                    run = work.run(paper(data, objective, work.inits))
                    label, values = LABELS[objective], run.result["expected_nll"].values
                    steps = run.result["step"].values
                    band(panel, steps, values, label, COLOURS[label], LINES[label])
                    rows.append(_rows(data, label, steps, values))
                    end = values[:, -10:].mean(axis=1)
                    table.setdefault(label, {})[data] = f"{end.mean():.1f} ± {end.std(ddof=1):.1f}"
                posterior = run.posterior()
                exact = -float(posterior.probabilities @ run.problem().table)
                panel.axhline(exact, color=EXACT, linestyle="--", label="exact posterior")
                panel.set(title=data, xlabel="training step")
                table.setdefault("exact posterior", {})[data] = f"{exact:.1f}"
            axes[0].set_ylabel("expected NLL, nats")
            legend(figure, axes[0])
        text = (
            f"Means over {work.inits} random starts with 100 shots a step, bands of one standard "
            "error; each objective's own likelihood part is drawn, since the objectives differ by "
            "their regularisers. The dashed line is the exact posterior's: a method that learns "
            "the posterior ends there, and one that goes below has given up spread for a few good "
            f"networks. {_nearest(table)}"
        )
        return Findings(
            text,
            {
                "Mean of the last ten steps and standard deviation over starts": pd.DataFrame(
                    table
                ).T
            },
            {"Expected negative log-likelihood over training.": figure},
            pd.concat(rows),
        )


def _nearest(table: dict[str, dict[str, str]]) -> str:
    """Which objective ends nearest to the exact posterior's value, on each data set."""
    sentences = []
    for data in DATA:
        exact = float(table["exact posterior"][data])
        away = {label: float(table[label][data].split()[0]) - exact for label in LABELS.values()}
        nearest = min(away, key=lambda label: abs(away[label]))
        sentences.append(f"{data}: {nearest}, {away[nearest]:+.1f} nats away")
    return "Nearest to it on average at the end: " + "; ".join(sentences) + "."


def _rows(
    data: str, label: str, steps: NDArray[np.int64], values: NDArray[np.float64]
) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        {
            "data": data,
            "objective": label,
            "step": steps,
            "mean": values.mean(axis=0),
            "standard error": values.std(axis=0, ddof=1) / np.sqrt(len(values)),
        }
    )
