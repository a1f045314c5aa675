"""How long a configuration takes: enough to cut it into units, the same on every machine.

A unit's size decides its file's name, so it cannot be measured where it runs: two machines that
share a sweep would cut it differently. It is estimated from what is simulated instead, right to a
factor of a few. Where units turn out to be much shorter than a second, joblib puts several into a
task, by the times that it sees.
"""

from __future__ import annotations

import functools

from qhypernet.config import CircuitConfig, NetworkConfig, RunConfig
from qhypernet.networks import BinaryNetwork

TARGET = 10**9
"""Nanoseconds of a unit."""
_STEP, _DRAWN = 1_000, 100
"""Nanoseconds of a step that the core takes by itself, and of each of its shots."""
_SETTING, _SHOT = 50_000, 500
"""The same of a simulated setting of the angles that is looked at in NumPy."""


def chunk(config: RunConfig, net: BinaryNetwork) -> int:
    """Initialisations that take about a second or more, in parts of equal size.

    Example:
        >>> from qhypernet.config import RunConfig
        >>> config = RunConfig.parse({"data": {"source": "moons"},
        ...     "circuit": {"layers": 16}, "network": {"hidden": [3]},
        ...     "training": {"inits": 50, "steps": 1000}}, "options")
        >>> chunk(config, config.build_network(config.load_data()))
        1
    """
    training = config.training
    n_parts = max(1, training.inits * nanoseconds(config, net) // TARGET)
    return -(-training.inits // min(n_parts, training.inits))


def nanoseconds(config: RunConfig, net: BinaryNetwork) -> int:
    """An initialisation's estimated time on one core; whole numbers round nowhere differently."""
    n_gates, n_params = size(net.layers, config.network, config.circuit)
    shots, objective = config.training.shots or 0, config.build_objective()
    gradient = config.build_gradient()
    if gradient.in_core() and objective.divergence and objective.has_expected_nll:
        # One layer leaves independent bits, and there is no state to be rotated gate by gate.
        n_passes = n_gates if config.circuit.layers > 1 else 1
        # A third of a nanosecond for each amplitude and gate, both ways.
        one = _STEP + _DRAWN * shots + 2**net.n_weights * n_passes // 3
    else:
        n_settings = {"spsa": 2, "parameter_shift": 2 * n_params + 1}
        one = _SETTING + _SHOT * shots + 2**net.n_weights * n_gates
        one *= n_settings.get(gradient.name, 1)
    return int(config.training.steps * one)


@functools.lru_cache(maxsize=1024)
def size(
    layers: tuple[int, ...], network: NetworkConfig, circuit: CircuitConfig
) -> tuple[int, int]:
    """Gates and parameters of a circuit."""
    net = BinaryNetwork(layers, network.activation, network.bias, removable=network.removable)
    alone = RunConfig.model_construct(network=network, circuit=circuit)
    built = alone.build_circuit(net)
    return len(built), built.n_params
