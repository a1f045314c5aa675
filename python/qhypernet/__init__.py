"""Train binary neural networks with quantum circuits, the Bayesian way.

A circuit's measured bits are the weights of a binary network, so training its angles trains a
distribution over networks. For every problem small enough the exact posterior stands beside it.

Example:
    >>> import qhypernet as qh
    >>> data = qh.datasets.moons()
    >>> net = qh.BinaryNetwork((2, 3, 1), activation="tanh")
    >>> problem = qh.Problem(net, data.X_train, data.y_train)
    >>> circuit = qh.ansatz.sign_symmetric(net, n_layers=4)
    >>> r = qh.train(circuit, problem, qh.ELBO(qh.Schedule(50, 1)), n_inits=2, n_steps=100,
    ...              start="near_uniform")
    >>> posterior = qh.exact_posterior(problem.table)
    >>> bool((posterior.kl_from(r.probabilities()) < 5).all())
    True
"""

import importlib
from typing import TYPE_CHECKING

from qhypernet import (
    ansatz,
    callbacks,
    datasets,
    evaluation,
    gradients,
    mitigation,
    noise,
    objectives,
    prediction,
    recipes,
    regression,
    samplers,
)
from qhypernet._core import __version__
from qhypernet.circuits import Circuit, State
from qhypernet.floor import Floor, floor
from qhypernet.kernels import HammingKernel, mmd2, mmd2_exact, mmd2_to_prior
from qhypernet.networks import BinaryNetwork
from qhypernet.objectives import (
    ELBO,
    KSD,
    MLE,
    SELBO,
    ForwardKL,
    JensenShannon,
    Objective,
    Renyi,
    RootMMD,
    SquaredHellinger,
    TotalVariation,
)
from qhypernet.optimizers import LBFGSB, SGD, Adam
from qhypernet.posterior import ExactPosterior, best_network, exact_posterior
from qhypernet.prediction import Prediction, predict
from qhypernet.priors import BernoulliPrior
from qhypernet.problems import Problem
from qhypernet.regression import Regression, regress
from qhypernet.schedules import Schedule
from qhypernet.selection import Selection, select
from qhypernet.stopping import EarlyStopping
from qhypernet.sweeps import read_sweep, sweep
from qhypernet.threads import num_threads, set_num_threads
from qhypernet.training import DivergedError, Interrupted, TrainingResult, TrainingStep, train
from qhypernet.tuning import read_study, tune

if TYPE_CHECKING:
    from qhypernet import baselines, export, plotting
    from qhypernet.estimators import QHNClassifier, QHNRegressor, load

__all__ = [
    "ELBO",
    "KSD",
    "LBFGSB",
    "MLE",
    "SELBO",
    "SGD",
    "Adam",
    "BernoulliPrior",
    "BinaryNetwork",
    "Circuit",
    "DivergedError",
    "EarlyStopping",
    "ExactPosterior",
    "Floor",
    "ForwardKL",
    "HammingKernel",
    "Interrupted",
    "JensenShannon",
    "Objective",
    "Prediction",
    "Problem",
    "QHNClassifier",
    "QHNRegressor",
    "Regression",
    "Renyi",
    "RootMMD",
    "Schedule",
    "Selection",
    "SquaredHellinger",
    "State",
    "TotalVariation",
    "TrainingResult",
    "TrainingStep",
    "__version__",
    "ansatz",
    "baselines",
    "best_network",
    "callbacks",
    "datasets",
    "evaluation",
    "exact_posterior",
    "export",
    "floor",
    "gradients",
    "load",
    "mitigation",
    "mmd2",
    "mmd2_exact",
    "mmd2_to_prior",
    "noise",
    "num_threads",
    "objectives",
    "plotting",
    "predict",
    "prediction",
    "read_study",
    "read_sweep",
    "recipes",
    "regress",
    "regression",
    "samplers",
    "select",
    "set_num_threads",
    "sweep",
    "train",
    "tune",
]


def __getattr__(name: str) -> object:
    """What SciPy, scikit-learn or matplotlib is imported for: most of a second that others save."""
    if name in ("QHNClassifier", "QHNRegressor", "load"):
        from qhypernet import estimators

        return getattr(estimators, name)
    if name in ("baselines", "export", "plotting"):
        return importlib.import_module(f"qhypernet.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
