"""Classical baselines: the same data, network, prior and metrics as the circuits, no qubits.

Every baseline is a frozen dataclass of its settings, whose ``fit`` leaves a distribution over
networks for each initialisation. :func:`compare` puts all of them beside a trained circuit and the
exact posterior. The best network of all, by enumeration, is :func:`qhypernet.best_network`.

Example:
    >>> import qhypernet as qh
    >>> data = qh.datasets.moons()
    >>> net = qh.BinaryNetwork((2, 3, 1), activation="tanh")
    >>> problem = qh.Problem(net, data.X_train, data.y_train)
    >>> r = qh.baselines.Autoregressive(hidden=8, symmetric=True).fit(problem, n_inits=2)
    >>> bool((qh.exact_posterior(problem.table).kl_from(r.probabilities()) < 0.1).all())
    True
"""

from qhypernet.baselines._base import Baseline, BaselineResult, Samples
from qhypernet.baselines._compare import compare, frame
from qhypernet.baselines._methods import METHODS
from qhypernet.baselines._variational import Variational
from qhypernet.baselines.annealing import SimulatedAnnealing
from qhypernet.baselines.autoregressive import Autoregressive
from qhypernet.baselines.bayesbinn import BayesBiNN
from qhypernet.baselines.markov_chain import MarkovChain
from qhypernet.baselines.mean_field import MeanField
from qhypernet.baselines.mixture import Mixture
from qhypernet.baselines.straight_through import StraightThrough

__all__ = [
    "METHODS",
    "Autoregressive",
    "Baseline",
    "BaselineResult",
    "BayesBiNN",
    "MarkovChain",
    "MeanField",
    "Mixture",
    "Samples",
    "SimulatedAnnealing",
    "StraightThrough",
    "Variational",
    "compare",
    "frame",
]
