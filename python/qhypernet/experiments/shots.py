"""What SELBO reaches from samples alone, beside its own floor."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from qhypernet import ansatz, training
from qhypernet.experiments._base import Experiment, Findings, Work
from qhypernet.experiments._figures import panels
from qhypernet.experiments._settings import DATA, paper
from qhypernet.floor import floor
from qhypernet.objectives import SELBO
from qhypernet.optimizers import Adam
from qhypernet.plotting._style import EXACT, TRAINED, house_style, legend_below
from qhypernet.posterior import exact_posterior
from qhypernet.problems import Problem
from qhypernet.schedules import Schedule

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

_SHOTS = (100, 1000, 10_000)
_WEIGHT = 30.0
_LAYERS = 8


class Shots(Experiment):
    """KL that SELBO reaches by 100, 1000 and 10,000 shots a step."""

    name = "shots"
    title = "SELBO by samples alone, beside its own floor"
    about = "KL to the posterior over shots a step, and the least that SELBO's minimum allows."

    def run(self, work: Work) -> Findings:
        """Trains at every number of shots."""
        import pandas as pd

        inits, steps = (4, 60) if work.quick else (4, 200)
        shots = _SHOTS[:2] if work.quick else _SHOTS
        rows, floors = [], {}
        for data in DATA:
            problem = _problem(data)
            floors[data] = float(_floor(work, data, problem)["kl"])
            for n in shots:
                kl = _reached(work, problem, data, n, inits, steps)["kl"].values
                rows += [
                    {"data": data, "shots": n, "init": i, "KL": value} for i, value in enumerate(kl)
                ]
        frame = pd.DataFrame(rows)
        medians = frame.groupby(["data", "shots"])["KL"].median()
        table = pd.DataFrame(
            {
                data: {
                    **{f"{n} shots": f"{medians[data, n]:.2f}" for n in shots},
                    "floor": f"{kl:.2g}",
                }
                for data, kl in floors.items()
            }
        ).T
        text = (
            f"Plain circuits of {_LAYERS} layers, annealed to weight {_WEIGHT:g} from a hundred "
            f"times as much, {steps} steps, {inits} starts near the uniform distribution; all "
            "gradients are from so many shots a step and nothing else. SELBO's minimum over all "
            "distributions is not the "
            "posterior: the floor is its KL, found by a convex search over all 8192 "
            "probabilities, and no number of shots or layers goes below it while SELBO itself is "
            f"minimised. {_words(medians, floors, shots[-1])}"
        )
        caption = "Median KL over shots a step, bands from best to worst; dotted: the floor."
        return Findings(
            text,
            {f"Median KL to the exact posterior over {inits} starts, nats": table},
            {caption: _figure(frame, floors, shots)},
            frame,
        )


def _words(medians: pd.Series, floors: dict[str, float], most: int) -> str:
    gaps = [f"{data} {medians[data, most] - kl:+.2f}" for data, kl in floors.items()]
    return f"From the floor with {most} shots, in nats: {', '.join(gaps)}."


def _problem(data: str) -> Problem:
    config = paper(data, "selbo", 1)
    drawn = config.load_data()
    return Problem(config.build_network(drawn), drawn.X_train, drawn.y_train)


def _floor(work: Work, data: str, problem: Problem) -> xr.Dataset:
    import xarray as xr

    key: dict[str, object] = {"what": "floor of SELBO", "data": data, "weight": _WEIGHT}
    return work.cached(key, lambda: xr.Dataset({"kl": ((), floor(SELBO(_WEIGHT), problem).kl)}))


def _reached(
    work: Work, problem: Problem, data: str, shots: int, inits: int, steps: int
) -> xr.Dataset:
    import xarray as xr

    def find() -> xr.Dataset:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="training diverged", category=RuntimeWarning)
            result = training.train(
                ansatz.hardware_efficient(problem.net.n_weights, _LAYERS),
                problem,
                SELBO(Schedule(100 * _WEIGHT, _WEIGHT, fraction=0.7)),
                n_inits=inits,
                n_steps=steps,
                optimizer=Adam(Schedule(0.1, 0.01, "cosine")),
                gradient="sampled",
                shots=shots,
                start="near_uniform",
            )
        kl = exact_posterior(problem.table).kl_from(result.probabilities())
        return xr.Dataset({"kl": ("init", kl)})

    key: dict[str, object] = {"what": "SELBO by samples", "data": data, "weight": _WEIGHT}
    key |= {"shots": f"{shots} shots", "starts": inits, "steps": steps, "layers": _LAYERS}
    return work.cached(key, find)


def _figure(frame: pd.DataFrame, floors: dict[str, float], shots: tuple[int, ...]) -> Figure:
    with house_style():
        figure, axes = panels(len(DATA))
        for panel, data in zip(axes, DATA, strict=True):
            own = frame[frame["data"] == data].groupby("shots")["KL"]
            panel.plot(shots, own.median(), color=TRAINED, marker="o", label="SELBO")
            panel.fill_between(shots, own.min(), own.max(), color=TRAINED, alpha=0.2, linewidth=0)
            panel.axhline(floors[data], color=EXACT, linestyle=":", label="its floor")
            panel.set(title=data, xlabel="shots a step", xscale="log", yscale="log")
        axes[0].set_ylabel("KL(q || posterior), nats")
        legend_below(figure, axes[0])
    return figure
