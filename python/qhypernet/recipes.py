"""Settings, found by experiment, with which circuits reach the exact posterior.

What they have in common, and why:

- The exact ELBO, annealed: beta falls geometrically to 1. At the start the target is so hot that
  all its modes hang together; beta = 1 from the start leads circuits into some of them only. The
  first beta is a quarter of the standard deviation of the cost over all networks, so that it suits
  any number of points: much hotter, and the circuit is lost before anything draws it; much colder,
  and modes are missing from the start.
- A start near the uniform distribution, where the hot target is.
- Adam with the learning rate ``1 / sqrt(P)`` for P parameters: all angles move by about the rate at
  each of the first steps, so the state moves by about the same at any depth. Two or three times
  as much takes deep circuits away from the start at once, and they end nats away.
- ``beta2 = 0.99``: the gradient shrinks by orders of magnitude on the way, and the running mean of
  its square must keep up.
- Deep circuits: what is short of layers misses modes of the posterior.

Example:
    >>> import qhypernet as qh
    >>> data = qh.datasets.moons()
    >>> net = qh.BinaryNetwork((2, 2, 1), activation="tanh")
    >>> problem = qh.Problem(net, data.X_train, data.y_train)
    >>> r = qh.recipes.sign_symmetric(problem, n_layers=8, n_steps=400).train(n_inits=4)
    >>> kl = qh.exact_posterior(problem.table).kl_from(r.probabilities())
    >>> bool((kl < 0.01).all())
    True
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhypernet import _check, ansatz, training
from qhypernet._callbacks import Together, parts
from qhypernet._symmetry import quotient
from qhypernet.circuits import Circuit
from qhypernet.objectives import ELBO, Objective
from qhypernet.optimizers import Adam
from qhypernet.problems import Problem
from qhypernet.schedules import Schedule

_ANNEALED = 0.7
"""Share of the steps in which beta falls; in the others the learning rate does most of its way."""
_HEAT = 0.25
_LAST_RATE = 0.02
"""The last learning rate as a share of the first."""


@dataclass(frozen=True)
class Recipe:
    """What :func:`qhypernet.train` needs beside the number of starts and a seed."""

    problem: Problem
    circuit: Circuit
    objective: Objective
    optimizer: Adam
    n_steps: int
    start: str = "near_uniform"
    smaller: tuple[Circuit, NDArray[np.float64]] | None = None
    """If there is one, a circuit on fewer qubits and a table for it, for which objective and
    gradient are the same at the same parameters: :meth:`train` uses them."""

    @property
    def settings(self) -> str:
        """All that decides a training but the problem, the number of starts and the seed."""
        ways = (self.objective, self.objective.weight, self.optimizer, self.n_steps, self.start)
        return f"{self.circuit.fingerprint} {ways}"

    def train(self, **options: Any) -> training.TrainingResult:
        """Trains the circuit.

        Args:
            **options: What the recipe leaves open of :func:`qhypernet.train`: ``n_inits``,
                ``seed``, ``ground_truth``, ``callback``, ``checkpoint``...
        """
        circuit, table = self.smaller or (self.circuit, self.problem)
        data = parts(self.circuit, self.problem, options.pop("validation", None))
        shown = Together(options.pop("callback", None), circuit=self.circuit, data=data)
        result = training.train(
            circuit,
            table,
            self.objective,
            optimizer=self.optimizer,
            n_steps=self.n_steps,
            start=self.start,
            callback=shown,
            **options,
        )
        return replace(result, circuit=self.circuit)


def sign_symmetric(problem: Problem, n_layers: int = 24, n_steps: int = 1500) -> Recipe:
    """For :func:`qhypernet.ansatz.sign_symmetric`, the surest and cheapest way.

    The distribution is a copy of one on the quotient by the symmetry, so that is what is trained:
    the same circuit without the gates that make the copies, on one qubit less for each hidden unit.
    Where the likelihood itself is not symmetric, because a sign unit's inputs tie, the circuit is
    trained as it is.

    Args:
        problem: A network with an odd activation, and data.
        n_layers: Of the circuit. For 13 weights 24 bring every start within 0.002 nats, 16 most
            within 0.01; for 17 weights take 32.
        n_steps: Updates.

    Raises:
        ValueError: The activation is not odd.
        MemoryError: The table of all networks does not fit.
    """
    circuit = ansatz.sign_symmetric(_checked(problem).net, n_layers)
    recipe = _recipe(problem, circuit, n_steps)
    table = quotient(problem.net, problem.table)
    if table is None:
        return recipe
    n_qubits = table.size.bit_length() - 1
    return replace(recipe, smaller=(ansatz.hardware_efficient(n_qubits, n_layers), table))


def hardware_efficient(problem: Problem, n_layers: int = 96, n_steps: int = 1500) -> Recipe:
    """For :func:`qhypernet.ansatz.hardware_efficient`, which knows of no symmetry.

    All copies of a mode under the symmetry have to be found one by one, so this is neither as sure
    nor as cheap. Layers of real amplitudes (RY and CX only) take half the time, and with 13 weights
    some of their starts end 0.7 nats from the posterior of moons, a mode short; with RZ, and a
    learning rate somewhat lower, 11 of 11 came within 0.15. Where it matters, train several and
    take the best (:func:`qhypernet.select`).

    Args:
        problem: Any network, and data.
        n_layers: Of the circuit.
        n_steps: Updates.

    Raises:
        MemoryError: The table of all networks does not fit.
    """
    n_qubits = _checked(problem).net.n_weights
    circuit = ansatz.hardware_efficient(n_qubits, n_layers)
    return _recipe(problem, circuit, n_steps, scale=0.7, warmup=0.2)


def beta(table: NDArray[np.float64]) -> Schedule:
    """The ELBO's beta, annealed to 1.

    Args:
        table: The log-likelihood of all networks in nats, shape (2**n,).

    Example:
        >>> import numpy as np, qhypernet as qh
        >>> print(qh.recipes.beta(np.array([-8.0, 8.0])))
        2 to 1 (geometric)
    """
    # A cost that is the same for all networks needs no annealing; below 1 beta does not start.
    hot = max(_HEAT * float(table.std()), 1.0)
    return Schedule(hot, 1.0, fraction=_ANNEALED)


def adam(circuit: Circuit, scale: float = 1.0, warmup: float = 0.0) -> Adam:
    """Adam with a learning rate that suits the circuit's depth, and falls.

    Args:
        circuit: What is trained.
        scale: Factor of the learning rate.
        warmup: Share of the steps over which it rises.

    Example:
        >>> import qhypernet as qh
        >>> print(qh.recipes.adam(qh.ansatz.brickwork(8, 4)).learning_rate)
        0.125 to 0.0025 (cosine)
    """
    rate = scale * circuit.n_params**-0.5
    return Adam(Schedule(rate, _LAST_RATE * rate, "cosine", warmup=warmup), beta2=0.99)


def _recipe(
    problem: Problem, circuit: Circuit, n_steps: int, scale: float = 1.0, warmup: float = 0.0
) -> Recipe:
    return Recipe(
        problem,
        circuit,
        ELBO(beta(problem.table)),
        adam(circuit, scale, warmup),
        _check.integer("n_steps", n_steps, 1),
    )


def _checked(problem: Problem) -> Problem:
    if not isinstance(problem, Problem):
        raise TypeError(f"problem: expected a Problem, got {problem!r}")
    return problem
