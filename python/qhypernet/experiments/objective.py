"""Fig. 3: the objective's average over initialisations, with its two parts."""

from __future__ import annotations

import numpy as np

from qhypernet.experiments._base import Experiment, Findings, Work
from qhypernet.experiments._figures import band, legend, panels
from qhypernet.experiments._settings import LABELS, paper
from qhypernet.plotting._style import BLUE, ORANGE, VERMILLION, house_style

_PARTS = {
    "objective": ("objective", BLUE, "-"),
    "expected_nll": ("expected negative log-likelihood", VERMILLION, "--"),
    "regularizer": ("regulariser", ORANGE, "-."),
}


class ObjectiveParts(Experiment):
    """Average (S)ELBO on Gaussian, with its regulariser and likelihood parts."""

    name = "fig3"
    title = "Fig. 3: the objective and its two parts"
    about = "Average (S)ELBO over initialisations on gaussian, one layer, 100 shots."

    def run(self, work: Work) -> Findings:
        """Trains both and averages."""
        import pandas as pd

        found = {o: work.run(paper("gaussian", o, work.inits)).result for o in ("elbo", "selbo")}
        rows, table = [], {}
        with house_style():
            figure, axes = panels(len(found))
            for panel, (name, result) in zip(axes, found.items(), strict=True):
                steps = result["step"].values
                for part, (label, colour, line) in _PARTS.items():
                    values = result[part].values
                    band(panel, steps, values, label, colour, line)
                    rows.append(
                        pd.DataFrame(
                            {
                                "objective": LABELS[name],
                                "part": part,
                                "step": steps,
                                "mean": values.mean(axis=0),
                                "standard error": values.std(axis=0, ddof=1) / np.sqrt(len(values)),
                            }
                        )
                    )
                panel.set(title=LABELS[name], xlabel="training step", ylabel="nats")
                first, last = result.isel(step=0), result.isel(step=-1)
                table[LABELS[name]] = [
                    f"{float(end[part].mean()):.1f}" for part in _PARTS for end in (first, last)
                ]
            legend(figure, axes[0])
        columns = [f"{label}, {end}" for label, *_ in _PARTS.values() for end in ("first", "last")]
        share = {
            name: float((r["regularizer"][:, -1] / r["objective"][:, -1]).median())
            for name, r in found.items()
        }
        text = (
            f"Means over {work.inits} random starts, bands of one standard error; all estimated "
            "from the 100 shots of each step, at weight 1 for ELBO and 30 for SELBO. The last "
            f"step's regulariser is {share['elbo']:.0%} of ELBO and {share['selbo']:.0%} of SELBO "
            "(median)."
        )
        return Findings(
            text,
            {"Means at the first and the last step, nats": pd.DataFrame(table, index=columns).T},
            {"(S)ELBO and its parts over training.": figure},
            pd.concat(rows),
        )
