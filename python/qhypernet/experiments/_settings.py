"""The paper's set-up, and what it leaves open as it was tuned here.

Nepote et al. 2025 (arXiv 2506.05888): one layer, 100 circuit runs a step, 100 initialisations,
Adam, three data sets. Network, training points, learning rates and weights are not known from it.
"""

from __future__ import annotations

from qhypernet.config import RunConfig

DATA = ("gaussian", "moons", "rings")
OBJECTIVES = ("mle", "elbo", "selbo")
LABELS = {"mle": "MLE", "elbo": "ELBO", "selbo": "SELBO"}
CIRCUITS = {"hardware_efficient": "circuit", "brickwork": "mean field"}
"""One layer of brickwork is mean field, the classical control."""


def paper(data: str, objective: str, inits: int, **values: object) -> RunConfig:
    """A run of the paper's kind; ``values`` name fields with two underscores for the dot."""
    content = {
        "data": {"source": data},
        "network": {"hidden": (3,), "activation": "tanh"},
        "circuit": {"ansatz": "hardware_efficient", "layers": 1},
        "objective": {"name": objective},
        "training": {"inits": inits, "steps": 150, "shots": 100},
    }
    config = RunConfig.parse(content, "experiment")
    return config.replace({name.replace("__", "."): value for name, value in values.items()})
