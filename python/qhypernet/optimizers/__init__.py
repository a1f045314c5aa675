"""Optimisers of a batch of parameter vectors, each row on its own, one a file."""

from __future__ import annotations

from qhypernet.optimizers._base import Arrays, Descent, Optimizer, Rule
from qhypernet.optimizers.adam import Adam
from qhypernet.optimizers.lbfgsb import LBFGSB
from qhypernet.optimizers.sgd import SGD

OPTIMIZERS: dict[str, type[Optimizer]] = {kind.name: kind for kind in (Adam, SGD, LBFGSB)}
"""The optimisers by name."""
"""The optimisers by name."""

__all__ = ["LBFGSB", "OPTIMIZERS", "SGD", "Adam", "Arrays", "Descent", "Optimizer", "Rule"]
