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
_SETTING, _SHOT = 50_000, 500
"""Nanoseconds of a simulated setting of the angles, and of each of its shots."""


def chunk(config: RunConfig, net: BinaryNetwork) -> int:
    """Initialisations that take about a second or more, in parts of equal size.

    Example:
        >>> from qhypernet.config import RunConfig
        >>> config = RunConfig.parse({"data": {"source": "moons"},
        ...     "circuit": {"layers": 16}, "network": {"hidden": [3]},
        ...     "training": {"inits": 50, "steps": 500}}, "options")
        >>> chunk(config, config.build_network(config.load_data()))
        1
    """
    training = config.training
    n_parts = max(1, training.inits * nanoseconds(config, net) // TARGET)
    return -(-training.inits // min(n_parts, training.inits))


def nanoseconds(config: RunConfig, net: BinaryNetwork) -> int:
    """An initialisation's estimated time on one core; whole numbers round nowhere differently."""
    n_gates, n_params = size(net.layers, config.network, config.circuit)
    shots = config.training.shots or 0
    # A nanosecond for each amplitude and gate, both ways.
    one = _SETTING + _SHOT * shots + 2**net.n_weights * n_gates
    n_settings = {"spsa": 2, "parameter_shift": 2 * n_params + 1}
    settings = n_settings.get(config.build_gradient().name, 1)
    return int(config.training.steps * one * settings)


@functools.lru_cache(maxsize=1024)
def size(
    layers: tuple[int, ...], network: NetworkConfig, circuit: CircuitConfig
) -> tuple[int, int]:
    """Gates and parameters of a circuit."""
    net = BinaryNetwork(layers, network.activation, network.bias, removable=network.removable)
    alone = RunConfig.model_construct(network=network, circuit=circuit)
    built = alone.build_circuit(net)
    return len(built), built.n_params
