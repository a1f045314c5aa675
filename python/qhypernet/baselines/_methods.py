"""The baselines by name, each with settings that suit problems of some 13 weights."""

from __future__ import annotations

from qhypernet.baselines._base import Baseline
from qhypernet.baselines.annealing import SimulatedAnnealing
from qhypernet.baselines.autoregressive import Autoregressive
from qhypernet.baselines.bayesbinn import BayesBiNN
from qhypernet.baselines.markov_chain import MarkovChain
from qhypernet.baselines.mean_field import MeanField
from qhypernet.baselines.mixture import Mixture
from qhypernet.baselines.straight_through import StraightThrough
from qhypernet.optimizers import Adam

METHODS: dict[str, Baseline] = {
    "mean field": MeanField(),
    "mean field, 100 shots": MeanField(shots=100, optimizer=Adam(0.1)),
    "symmetric mean field": MeanField(symmetric=True),
    "mixture": Mixture(),
    "symmetric mixture": Mixture(symmetric=True),
    "autoregressive": Autoregressive(),
    "symmetric autoregressive": Autoregressive(hidden=8, symmetric=True),
    "BayesBiNN": BayesBiNN(),
    "Gibbs sampling": MarkovChain(),
    "symmetric Gibbs sampling": MarkovChain(symmetric=True),
    "simulated annealing": SimulatedAnnealing(),
    "straight-through": StraightThrough(),
}
"""What :func:`compare` compares with; the conformance tests run over every entry."""
