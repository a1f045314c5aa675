"""Fig. 2: the three data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qhypernet import datasets
from qhypernet.experiments._base import Experiment, Findings, Work
from qhypernet.experiments._figures import legend, panels
from qhypernet.experiments._settings import DATA, paper
from qhypernet.plotting._style import CLASS_COLOURS, CLASS_MARKERS, house_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Data(Experiment):
    """The training points of each data set."""

    name = "fig2"
    title = "Fig. 2: the three data sets"
    about = "The training points of gaussian, moons and rings."

    def run(self, work: Work) -> Findings:
        """Draws them."""
        import pandas as pd

        del work
        drawn = {name: paper(name, "mle", 1).load_data() for name in DATA}
        rows = [
            (name, x, y, label)
            for name, data in drawn.items()
            for (x, y), label in zip(data.X_train, data.y_train, strict=True)
        ]
        sizes = {
            name: [len(data.y_train), len(data.y_test), data.y_train.mean()]
            for name, data in drawn.items()
        }
        table = pd.DataFrame.from_dict(
            sizes, orient="index", columns=["training points", "test points", "share of class 1"]
        )
        text = (
            "Gaussian: class 0 is one blob at (-1, -2), class 1 three at (-2, 1), (1, 1) and "
            "(2, -2), each of covariance 0.1 I (Carrasquilla et al. 2023, arXiv 2301.08292). Moons "
            "and rings are scikit-learn's. Seed 0."
        )
        return Findings(
            text,
            {"Sizes": table},
            {"Training points; a class is told by colour and marker.": _figure(drawn)},
            pd.DataFrame(rows, columns=["data", "x1", "x2", "label"]),
        )


def _figure(drawn: dict[str, datasets.Dataset]) -> Figure:
    with house_style():
        figure, axes = panels(len(drawn))
        for panel, (name, data) in zip(axes, drawn.items(), strict=True):
            for label in range(2):
                points = data.X_train[data.y_train == label]
                panel.scatter(
                    points[:, 0],
                    points[:, 1],
                    s=14,
                    marker=CLASS_MARKERS[label],
                    color=CLASS_COLOURS[label],
                    label=f"class {label}",
                )
            panel.set(title=name, xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
        legend(figure, axes[0])
    return figure
