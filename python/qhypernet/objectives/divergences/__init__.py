"""Divergences to the prior in the place of the KL or MMD^2, one a file.

``E_q[C] + weight * D(q, prior)`` for every D here; the weight carries the nats. Only the KL with
weight 1, :class:`qhypernet.ELBO`, has the posterior as its minimiser.
"""

from qhypernet.objectives.divergences._base import PriorDivergence
from qhypernet.objectives.divergences.forward_kl import ForwardKL
from qhypernet.objectives.divergences.hellinger import SquaredHellinger
from qhypernet.objectives.divergences.jensen_shannon import JensenShannon
from qhypernet.objectives.divergences.renyi import Renyi
from qhypernet.objectives.divergences.root_mmd import RootMMD
from qhypernet.objectives.divergences.total_variation import TotalVariation

__all__ = [
    "ForwardKL",
    "JensenShannon",
    "PriorDivergence",
    "Renyi",
    "RootMMD",
    "SquaredHellinger",
    "TotalVariation",
]
