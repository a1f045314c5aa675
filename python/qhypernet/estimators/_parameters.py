"""Estimator parameters as JSON and back: plain values, and objects that values describe in full."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import numpy as np

from qhypernet.circuits import Circuit
from qhypernet.gradients import GRADIENTS
from qhypernet.kernels import HammingKernel
from qhypernet.objectives import OBJECTIVES, Objective
from qhypernet.optimizers import OPTIMIZERS
from qhypernet.samplers import StatevectorSampler
from qhypernet.schedules import Schedule
from qhypernet.stopping import EarlyStopping

_BY_FIELDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (EarlyStopping, StatevectorSampler, *GRADIENTS.values(), *OPTIMIZERS.values())
}
"""What its fields describe in full, if they can be stored."""


class Lost(str):
    """The ``repr`` of an object that no file can hold, such as a device or a function."""


def encoded(value: Any) -> Any:
    """What JSON can hold of a parameter; ``{"lost": repr}`` where that is not enough."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [encoded(part) for part in value]}
    if isinstance(value, Schedule):
        return {"schedule": dataclasses.asdict(value)}
    if isinstance(value, HammingKernel):
        return {"kernel": list(value.bandwidths)}
    if isinstance(value, Circuit):
        return {"circuit": of_circuit(value)}
    if isinstance(value, Objective) and OBJECTIVES.get(value.name) is type(value):
        names = inspect.signature(type(value)).parameters
        arguments = {name: encoded(getattr(value, name)) for name in names}
        return {"objective": value.name, "arguments": arguments}
    if _BY_FIELDS.get(type(value).__name__) is type(value):
        fields = {f.name: encoded(getattr(value, f.name)) for f in dataclasses.fields(value)}
        if not any(isinstance(part, dict) and "lost" in part for part in fields.values()):
            return {"object": type(value).__name__, "fields": fields}
    return {"lost": repr(value)}


def decoded(value: Any) -> Any:
    """The parameter that :func:`encoded` described; :class:`Lost` for what it could not."""
    if not isinstance(value, dict):
        return value
    match value:
        case {"tuple": parts}:
            return tuple(decoded(part) for part in parts)
        case {"list": parts}:
            return [decoded(part) for part in parts]
        case {"schedule": fields}:
            return Schedule(**fields)
        case {"kernel": bandwidths}:
            return HammingKernel(bandwidths)
        case {"circuit": described}:
            return to_circuit(described)
        case {"objective": name, "arguments": arguments}:
            return OBJECTIVES[name](**{k: decoded(v) for k, v in arguments.items()})
        case {"object": name, "fields": fields}:
            return _BY_FIELDS[name](**{k: decoded(v) for k, v in fields.items()})
        case {"lost": text}:
            return Lost(text)
    raise ValueError(f"expected a parameter, got {value!r}")


def of_circuit(circuit: Circuit) -> dict[str, Any]:
    """A circuit gate by gate."""
    gates = [[g.gate, list(g.qubits), g.param, g.angle, g.scale] for g in circuit]
    return {"n_qubits": circuit.n_qubits, "n_params": circuit.n_params, "gates": gates}


def to_circuit(described: dict[str, Any]) -> Circuit:
    """The circuit that :func:`of_circuit` described.

    Raises:
        ValueError: A gate or a qubit that does not exist.
    """
    circuit = Circuit(described["n_qubits"], described["n_params"])
    for gate, qubits, param, angle, scale in described["gates"]:
        circuit.append(gate, *qubits, param=param, angle=angle, scale=scale)
    if circuit.n_params != described["n_params"]:
        raise ValueError(f"expected {described['n_params']} parameters, got {circuit.n_params}")
    return circuit
