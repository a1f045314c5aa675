"""Experiments: the paper's figures and tables, and what goes beyond them, one a file."""

from __future__ import annotations

from qhypernet.experiments._base import Experiment, Findings, Work
from qhypernet.experiments._output import write, write_index
from qhypernet.experiments.accuracy import Accuracy
from qhypernet.experiments.curves import Curves
from qhypernet.experiments.data import Data
from qhypernet.experiments.depth import Depth
from qhypernet.experiments.gradients import GradientMagnitude
from qhypernet.experiments.objective import ObjectiveParts
from qhypernet.experiments.posterior import Posterior
from qhypernet.experiments.real_data import RealData
from qhypernet.experiments.shots import Shots
from qhypernet.experiments.success import Success
from qhypernet.experiments.weight_and_layers import WeightAndLayers

EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment
    for experiment in (
        Data(),
        ObjectiveParts(),
        Curves(),
        GradientMagnitude(),
        Accuracy(),
        WeightAndLayers(),
        Success(),
        RealData(),
        Posterior(),
        Depth(),
        Shots(),
    )
}
"""All of them by name, in the order in which ``reproduce all`` takes them."""

__all__ = ["EXPERIMENTS", "Experiment", "Findings", "Work", "write", "write_index"]
