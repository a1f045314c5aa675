"""What training minimises, one objective a file."""

from qhypernet.objectives._base import Objective
from qhypernet.objectives.elbo import ELBO
from qhypernet.objectives.mle import MLE
from qhypernet.objectives.selbo import SELBO

__all__ = ["ELBO", "MLE", "SELBO", "Objective"]
