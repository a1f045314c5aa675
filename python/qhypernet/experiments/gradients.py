"""Fig. 5: the average gradient magnitude during training, exact and as shots show it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qhypernet import _core, schedules
from qhypernet.config import RunConfig
from qhypernet.experiments._base import Experiment, Findings, Work
from qhypernet.experiments._figures import COLOURS, LINES, band, legend, panels
from qhypernet.experiments._settings import DATA, LABELS, OBJECTIVES, paper
from qhypernet.gradients import Exact, Gradient, inactive_parameters
from qhypernet.gradients._base import Term
from qhypernet.objectives import Target
from qhypernet.plotting._style import house_style
from qhypernet.problems import Problem
from qhypernet.training import TrainingStep, train

if TYPE_CHECKING:
    import xarray as xr

_EVERY = 5
_KINDS = ("exact", "from shots")


class GradientMagnitude(Experiment):
    """The mean size of the gradient's entries on the way, at the same points twice."""

    name = "fig5"
    title = "Fig. 5: average gradient magnitude during training"
    about = "Mean |dF/dtheta| on the way, exact and estimated from 100 shots."

    def run(self, work: Work) -> Findings:
        """Trains nine times and looks at the gradients on the way."""
        import pandas as pd

        rows: list[pd.DataFrame] = []
        table: dict[tuple[str, str], dict[str, str]] = {}
        with house_style():
            figure, axes = panels(len(DATA), len(_KINDS))
            for i, data in enumerate(DATA):
                for objective in OBJECTIVES:
                    found = _magnitudes(work, paper(data, objective, work.inits))
                    label, steps = LABELS[objective], found["truth_step"].values
                    for panel, kind in zip(axes[i :: len(DATA)], _KINDS, strict=True):
                        values = found["magnitude"].sel(kind=kind).values
                        band(panel, steps, values, label, COLOURS[label], LINES[label])
                        panel.set(title=f"{data}, {kind}", xlabel="updates")
                        panel.set_ylim(bottom=0)
                        ends = f"{values[:, 0].mean():.2f} → {values[:, -1].mean():.2f}"
                        table.setdefault((label, kind), {})[data] = ends
                        numbers = pd.DataFrame({"updates": steps, "mean": values.mean(axis=0)})
                        rows.append(numbers.assign(data=data, objective=label, gradient=kind))
            for panel in axes[:: len(DATA)]:
                panel.set_ylabel("nats per radian")
            legend(figure, axes[0])
        text = (
            "The mean over parameters that can matter (an RZ before measurement cannot) and over "
            f"{work.inits} starts. Both gradients are taken at the same points of trainings with "
            "100 shots. The noise of the shots adds to the estimate's size, and outcomes that they "
            "do not see take from it, so the estimate is not the gradient that training has: at "
            f"the last step it is this many times the exact one: {_factors(table)}."
        )
        frame = pd.DataFrame(table).T
        frame.index = pd.Index([", ".join(key) for key in table])
        return Findings(
            text,
            {"Mean magnitude at the start and at the end, nats per radian": frame},
            {"Average gradient magnitude, bands of one standard error.": figure},
            pd.concat(rows),
        )


def _factors(table: dict[tuple[str, str], dict[str, str]]) -> str:
    def last(label: str, kind: str) -> float:
        return float(np.mean([float(v.split()[-1]) for v in table[label, kind].values()]))

    factors = {label: last(label, _KINDS[1]) / last(label, _KINDS[0]) for label in LABELS.values()}
    return ", ".join(f"{label} {factor:.1f}" for label, factor in factors.items())


def _magnitudes(work: Work, config: RunConfig) -> xr.Dataset:
    key: dict[str, object] = {
        "what": "gradient magnitudes",
        "every": _EVERY,
        "config": config.to_toml(),
    }
    key |= {"data": config.data.source, "objective": config.objective.name}
    return work.cached(key, lambda: _measure(config))


def _measure(config: RunConfig) -> xr.Dataset:
    import xarray as xr

    data = config.load_data()
    net = config.build_network(data)
    circuit, prior = config.build_circuit(net), config.build_prior(net)
    problem = Problem(net, data.X_train, data.y_train)
    objective, sampled = config.build_objective(), config.build_gradient()
    target, core = Target(-problem.table, prior), _core.Problem(problem.table, prior.p_plus)
    active = np.setdiff1d(np.arange(circuit.n_params), inactive_parameters(circuit))
    found: dict[int, list[NDArray[np.float64]]] = {}

    def look(at: TrainingStep) -> None:
        if at.step % _EVERY and at.step > 1:
            return
        weight = schedules.at(objective.weight, at.step, at.n_steps)
        term = Term(objective, target, weight)

        def magnitude(gradient: Gradient) -> NDArray[np.float64]:
            # A step that training does not take, so the shots are new.
            seeds = {"seed": config.training.seed, "step": at.n_steps + at.step}
            slopes = gradient(circuit, core, term, at.params, **seeds).gradient
            return np.asarray(np.abs(slopes[:, active]).mean(axis=1))

        found[at.step] = [magnitude(Exact()), magnitude(sampled)]

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="training diverged", category=RuntimeWarning)
        train(
            circuit,
            problem,
            objective,
            n_inits=config.training.inits,
            n_steps=config.training.steps,
            optimizer=config.build_optimizer(),
            gradient=sampled,
            start=config.training.start,
            prior=prior,
            seed=config.training.seed,
            callback=look,
        )
    values = np.stack([np.stack(pair) for pair in found.values()], axis=2)
    return xr.Dataset(
        {"magnitude": (("kind", "init", "truth_step"), values)},
        coords={"kind": list(_KINDS), "truth_step": list(found)},
    )
