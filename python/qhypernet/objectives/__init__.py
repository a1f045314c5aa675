"""What training minimises, one objective a file."""

from qhypernet.objectives._base import Objective, Target
from qhypernet.objectives.divergences import (
    ForwardKL,
    JensenShannon,
    PriorDivergence,
    Renyi,
    RootMMD,
    SquaredHellinger,
    TotalVariation,
)
from qhypernet.objectives.elbo import ELBO
from qhypernet.objectives.ksd import KSD
from qhypernet.objectives.mle import MLE
from qhypernet.objectives.selbo import SELBO

OBJECTIVES: dict[str, type[Objective]] = {
    objective.name: objective
    for objective in (
        MLE,
        ELBO,
        SELBO,
        RootMMD,
        ForwardKL,
        Renyi,
        JensenShannon,
        TotalVariation,
        SquaredHellinger,
        KSD,
    )
}
"""The objectives by name."""

__all__ = [
    "ELBO",
    "KSD",
    "MLE",
    "OBJECTIVES",
    "SELBO",
    "ForwardKL",
    "JensenShannon",
    "Objective",
    "PriorDivergence",
    "Renyi",
    "RootMMD",
    "SquaredHellinger",
    "Target",
    "TotalVariation",
]
