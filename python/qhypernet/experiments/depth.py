"""How near circuits come to the exact posterior, over depth and over training time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from qhypernet import ansatz, baselines, recipes
from qhypernet.experiments._base import Experiment, Findings, Work
from qhypernet.experiments._figures import panels
from qhypernet.experiments._settings import paper
from qhypernet.objectives import ELBO, MLE, SELBO, Objective
from qhypernet.optimizers import Adam
from qhypernet.plotting._style import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    VERMILLION,
    house_style,
    light_grid,
)
from qhypernet.posterior import exact_posterior
from qhypernet.problems import Problem

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

_DATA = "moons"
_LOOKS = 40
_GREEN = "#009E73"


def _plain(objective: Objective) -> Callable[[Problem, int, int], recipes.Recipe]:
    """As most would train: random start, Adam at 0.1, a weight that stays."""

    def make(problem: Problem, n_layers: int, n_steps: int) -> recipes.Recipe:
        circuit = ansatz.hardware_efficient(problem.net.n_weights, n_layers)
        return recipes.Recipe(problem, circuit, objective, Adam(0.1), n_steps, start="random")

    return make


_METHODS = {
    "MLE": _plain(MLE()),
    "SELBO, weight 30": _plain(SELBO()),
    "ELBO": _plain(ELBO()),
    "annealed ELBO": recipes.hardware_efficient,
    "annealed ELBO, sign-symmetric": recipes.sign_symmetric,
}
_LOOK = {
    "MLE": (GREY, ":"),
    "SELBO, weight 30": (VERMILLION, "--"),
    "ELBO": (ORANGE, "-."),
    "annealed ELBO": (BLUE, "-"),
    "annealed ELBO, sign-symmetric": (_GREEN, "-"),
}
_CLASSICAL = ("mean field", "symmetric mean field", "symmetric autoregressive")


class Depth(Experiment):
    """KL to the exact posterior over circuit depth and over training."""

    name = "depth"
    title = "KL to the exact posterior over depth and training time"
    about = "MLE, SELBO, ELBO and annealed ELBO over layers and updates, baselines beside."

    def run(self, work: Work) -> Findings:
        """Trains every method at every depth."""
        import pandas as pd

        depths = (1, 4) if work.quick else (1, 2, 4, 8, 16, 24)
        inits, steps = (4, 200) if work.quick else (12, 1000)
        found = {
            (label, depth): _kl(work, label, depth, inits, steps)
            for label in _METHODS
            for depth in depths
        }
        classical = {name: _classical(work, name, inits) for name in _CLASSICAL}
        rows = [
            {
                "method": label,
                "layers": depth,
                "init": i,
                "KL": kl,
                "seconds": float(d.attrs["elapsed"]),
            }
            for (label, depth), d in found.items()
            for i, kl in enumerate(d["kl"].values[:, -1])
        ]
        rows += [
            {
                "method": label,
                "layers": 0,
                "init": i,
                "KL": kl,
                "seconds": float(d.attrs["elapsed"]),
            }
            for label, d in classical.items()
            for i, kl in enumerate(d["kl"].values)
        ]
        frame = pd.DataFrame(rows)
        tables = {
            f"Median KL over {inits} starts, nats": _pivot(frame, "KL"),
            "Seconds for all starts": _pivot(frame, "seconds"),
        }
        best = frame[frame["layers"] > 0].groupby(["method", "layers"])["KL"].median()
        text = (
            f"{_DATA.capitalize()}, network 2-3-1 with tanh, 13 weights; exact gradients, {steps} "
            f"steps, {inits} starts. MLE, SELBO and ELBO as most would train them: random starts, "
            "RY and RZ layers, Adam at 0.1. The annealed ELBO is the recipe of "
            "qhypernet.recipes, without and with the sign symmetry built in. The "
            "classical baselines have the same symmetry where their names say so. Lowest medians: "
            + "; ".join(
                f"{label} {best[label].min():.3g} nats with {best[label].idxmin()} layers"
                for label in _METHODS
            )
            + "; "
            + "; ".join(
                f"{label} {np.median(d['kl'].values):.3g} nats" for label, d in classical.items()
            )
            + "."
        )
        caption = (
            "Median over starts, bands from the best to the worst; dotted lines: classical "
            "baselines. Left: at the end, over depth. Right: on the way, at the largest depth."
        )
        return Findings(text, tables, {caption: _figure(found, classical, depths)}, frame)


def _kl(work: Work, label: str, depth: int, inits: int, steps: int) -> xr.Dataset:
    recipe = _METHODS[label](_problem(work), depth, steps)

    def find() -> xr.Dataset:
        history = recipe.train(n_inits=inits, ground_truth=max(1, steps // _LOOKS)).history
        return history[["kl"]]

    key: dict[str, object] = {"method": label, "layers": f"{depth} layers"}
    return work.cached(
        key | {"starts": inits, "steps": steps, "data": _DATA}, find, recipe.settings
    )


def _classical(work: Work, name: str, inits: int) -> xr.Dataset:
    import xarray as xr

    def find() -> xr.Dataset:
        problem = _problem(work)
        result = baselines.METHODS[name].fit(problem, n_inits=inits)
        kl = exact_posterior(problem.table).kl_from(result.probabilities())
        return xr.Dataset({"kl": ("init", kl)})

    return work.cached({"baseline": name, "starts": inits, "data": _DATA}, find)


def _problem(work: Work) -> Problem:
    config = paper(_DATA, "elbo", work.inits)
    data = config.load_data()
    return Problem(config.build_network(data), data.X_train, data.y_train)


def _pivot(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    table = frame.pivot_table(index="method", columns="layers", values=column, aggfunc="median")
    table = table.map(lambda value: "-" if np.isnan(value) else f"{value:.3g}")
    names = {0: "classical"} | {n: f"{n} layer" + "s" * (n != 1) for n in table.columns if n}
    order = [*_METHODS, *_CLASSICAL]
    return table.rename(columns=names).loc[order]


def _figure(
    found: dict[tuple[str, int], xr.Dataset],
    classical: dict[str, xr.Dataset],
    depths: tuple[int, ...],
) -> Figure:
    with house_style():
        figure, axes = panels(2)
        for label in _METHODS:
            colour, line = _LOOK[label]
            last = np.stack([found[label, depth]["kl"].values[:, -1] for depth in depths], axis=1)
            way = found[label, depths[-1]]
            for panel, x, kl in (
                (axes[0], np.array(depths), last),
                (axes[1], way["truth_step"].values, way["kl"].values),
            ):
                kl = np.maximum(kl, _FLOOR)
                panel.plot(x, np.median(kl, axis=0), color=colour, linestyle=line, label=label)
                panel.fill_between(
                    x, kl.min(axis=0), kl.max(axis=0), color=colour, alpha=0.15, linewidth=0
                )
        for panel in axes:
            for (name, dataset), side in zip(
                classical.items(), ("bottom", "top", "bottom"), strict=True
            ):
                median = max(float(np.median(dataset["kl"].values)), _FLOOR)
                panel.axhline(median, color=INK, linestyle=":", linewidth=0.8)
                panel.annotate(
                    name,
                    (1, median),
                    xycoords=("axes fraction", "data"),
                    ha="right",
                    va=side,
                    fontsize=7,
                )
            panel.set_yscale("log")
            light_grid(panel)
        axes[0].set(title="at the end", xlabel="layers", ylabel="KL(q || posterior), nats")
        axes[0].set_xscale("log", base=2)
        axes[0].set_xticks(depths, [str(d) for d in depths])
        axes[1].set(title=f"on the way, {depths[-1]} layers", xlabel="updates")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


_FLOOR = 1e-6
"""Smaller KLs are drawn here: a logarithmic scale has no zero."""
