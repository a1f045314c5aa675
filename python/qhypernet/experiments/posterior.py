"""Recipes that reach the exact posterior: how surely, and at what cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qhypernet import recipes
from qhypernet.config import RunConfig
from qhypernet.experiments._base import Experiment, Findings, Work
from qhypernet.experiments._settings import DATA
from qhypernet.posterior import exact_posterior
from qhypernet.problems import Problem

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class _Goal:
    """What a recipe is to reach on which problems."""

    title: str
    recipe: Callable[..., recipes.Recipe]
    layers: int
    steps: int
    hidden: int
    activations: tuple[str, ...]
    seeds: tuple[int, ...]
    """Of the data."""
    inits: int
    median: float
    """The most that the median KL may be, nats."""
    share: float
    """Of the starts that must be below ``bound``."""
    bound: float
    data: tuple[str, ...] = DATA


_BOTH = ("tanh", "sign")
_GOALS = (
    _Goal(
        "sign-symmetric ansatz, 2-3-1 (13 weights)",
        recipes.sign_symmetric, 24, 1500, 3, _BOTH, (0, 1, 2), 100, 0.001, 0.99, 0.01,
    ),
    _Goal(
        "hardware-efficient ansatz, 2-3-1 (13 weights)",
        recipes.hardware_efficient, 96, 1500, 3, ("tanh",), (0,), 24, 0.05, 0.95, 0.2,
    ),
    _Goal(
        "sign-symmetric ansatz, 2-4-1 (17 weights)",
        recipes.sign_symmetric, 32, 1500, 4, ("tanh",), (0,), 12, 0.001, 0.99, 0.01,
    ),
    _Goal(
        "sign-symmetric ansatz, 2-5-1 (21 weights)",
        recipes.sign_symmetric, 32, 1500, 5, ("tanh",), (0,), 2, 0.001, 0.99, 0.01,
        data=("moons",),
    ),
)  # fmt: skip


class Posterior(Experiment):
    """KL to the exact posterior of many starts of each recipe."""

    name = "posterior"
    title = "Recipes that reach the exact posterior"
    about = "KL to the exact posterior of qhypernet.recipes at 13, 17 and 21 weights."

    def run(self, work: Work) -> Findings:
        """Trains every problem of every goal."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        tables, words = {}, []
        for goal in _GOALS[: 1 if work.quick else None]:
            table: dict[str, dict[str, str]] = {}
            reached = []
            for config in _problems(goal, work):
                found = _train(work, goal, config)
                kl = found["kl"].values
                name = f"{config.data.source}, {', '.join(config.network.activation)}"
                name += f", data seed {config.data.seed}"
                below = int((kl <= goal.bound).sum())
                table[name] = {
                    "starts": str(len(kl)),
                    "median KL": f"{np.median(kl):.2g}",
                    "largest KL": f"{kl.max():.2g}",
                    f"at most {goal.bound:g}": str(below),
                    "layers": str(int(found["layers"])),
                    "steps": str(int(found["steps"])),
                    "seconds a start": f"{float(found.attrs['elapsed']) / len(kl):.2g}",
                }
                is_reached = np.median(kl) <= goal.median and below >= goal.share * len(kl)
                reached.append(bool(is_reached))
                rows += [{"goal": goal.title, "problem": name, "init": i, "KL": v}
                         for i, v in enumerate(kl)]  # fmt: skip
            tables[f"{goal.title}: nats to the exact posterior"] = pd.DataFrame(table).T
            words.append(
                f"{goal.title}: median at most {goal.median:g} nats and {goal.share:.0%} of the "
                f"starts at most {goal.bound:g} on {sum(reached)} of {len(reached)} problems."
            )
        text = (
            "The exact ELBO, annealed from hot to beta = 1, from near the uniform distribution, "
            "with the settings of qhypernet.recipes, which are the same for all problems. The "
            "sign-symmetric circuit is trained on the quotient by its symmetry, one qubit less "
            "for each hidden unit, which has the same objective and gradient.\n\n"
            + "\n\n".join(words)
        )
        return Findings(text, tables, {}, pd.DataFrame(rows))


def _problems(goal: _Goal, work: Work) -> list[RunConfig]:
    seeds = goal.seeds[:1] if work.quick else goal.seeds
    return [
        RunConfig.parse(
            {
                "data": {"source": data, "seed": seed},
                "network": {"hidden": (goal.hidden,), "activation": activation},
            },
            "experiment",
        )
        for activation in goal.activations
        for data in goal.data
        for seed in seeds
    ]


def _train(work: Work, goal: _Goal, config: RunConfig) -> xr.Dataset:
    import xarray as xr

    inits, layers, steps = goal.inits, goal.layers, goal.steps
    if work.quick:
        inits, layers, steps = 4, 16, 500

    data = config.load_data()
    problem = Problem(config.build_network(data), data.X_train, data.y_train)
    recipe = goal.recipe(problem, n_layers=layers, n_steps=steps)

    def find() -> xr.Dataset:
        result = recipe.train(n_inits=inits)
        exact = exact_posterior(problem.table)
        kl = np.concatenate([exact.kl_from(q) for q in result.distributions()])
        return xr.Dataset({"kl": ("init", kl), "layers": layers, "steps": steps})

    key: dict[str, object] = {"goal": goal.title, "data": config.data.source}
    key |= {"data seed": config.data.seed, "activation": list(config.network.activation)}
    key |= {"starts": inits, "layers": layers, "steps": steps}
    return work.cached(key, find, recipe.settings)
