"""Trained circuits under growing noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from qhypernet import _check, _core, _extras, _measured
from qhypernet.circuits import Circuit
from qhypernet.datasets import Dataset
from qhypernet.networks import BinaryNetwork
from qhypernet.samplers import QiskitSampler, Streams

if TYPE_CHECKING:
    import xarray as xr


def depolarizing(rate: float) -> QiskitSampler:
    """Samples by Aer, every gate followed by depolarising noise on its qubits.

    Gates are those of the circuit as it is written, before any compilation. Needs the extra "ibm".

    Args:
        rate: Probability that a gate's qubits are replaced by the maximally mixed state, 0 to 1.

    Example:
        >>> import qhypernet as qh
        >>> qh.noise.depolarizing(0.01)
        QiskitSampler('aer, depolarizing 0.01', limits=Limits(executions=10000000, megabytes=300.0))
    """
    rate = _check.number("rate", rate, minimum=0)
    if rate > 1:
        raise ValueError(f"rate: expected a number from 0 to 1, got {rate}")
    noise = _extras.module("qiskit_aer.noise", "ibm")
    aer = _extras.module("qiskit_aer.primitives", "ibm")
    model = noise.NoiseModel()
    if rate:
        for n_qubits in (1, 2):
            names = [row[0] for row in _core.gate_table() if row[1] == n_qubits]
            error = noise.depolarizing_error(rate, n_qubits)
            model.add_all_qubit_quantum_error(error, names)
    options = {"backend_options": {"noise_model": model}}
    return QiskitSampler(
        lambda seed: aer.SamplerV2(seed=seed, options=options), name=f"aer, depolarizing {rate:g}"
    )


def resilience(
    circuit: Circuit,
    params: ArrayLike,
    net: BinaryNetwork,
    data: Dataset,
    rates: Sequence[float],
    *,
    shots: int = 4000,
    seed: int | None = 0,
) -> xr.Dataset:
    """Circuits that were trained without noise, evaluated under growing depolarising noise.

    As in Carrasquilla et al. 2023 (arXiv 2301.08292).

    Args:
        circuit: The circuit.
        params: Trained angles, shape (inits, P), radians.
        net: The network.
        data: The data; the measures are taken on its test part.
        rates: Depolarising probabilities of a gate.
        shots: Measurements at each rate.
        seed: Seed of the noise.

    Returns:
        ``resilience``, dims (rate, init, measure), and ``ideal``, dims (init, measure), of the
        distribution itself.

    Example:
        >>> import numpy as np, qhypernet as qh
        >>> data = qh.datasets.moons()
        >>> net = qh.BinaryNetwork((2, 1))
        >>> circuit = qh.ansatz.brickwork(3, 1)
        >>> curve = qh.noise.resilience(circuit, np.zeros((1, 6)), net, data, [0, 0.2], shots=200)
        >>> bool(np.diff(curve["resilience"].sel(measure="mmd2", init=0))[0] > 0)
        True
    """
    import xarray as xr

    rows = _check.floats("params", params, shape=f"(inits, {circuit.n_params})")
    if rows.ndim != 2 or rows.shape[1] != circuit.n_params:
        raise ValueError(f"params: expected shape (inits, {circuit.n_params}), got {rows.shape}")
    shots, seed = _check.integer("shots", shots, 2), _check.seed(seed)
    test = net, data.X_test, data.y_test
    ideal = [circuit.simulate(row).probabilities() for row in rows]
    inits = np.arange(len(rows))
    curve = []
    for i, rate in enumerate(rates):
        streams = Streams(seed, i, inits, 0 * inits)
        bits = depolarizing(rate).sample(circuit, rows, shots, streams)
        curve.append([_measured.of_shots(*test, b, q) for b, q in zip(bits, ideal, strict=True)])
    return xr.Dataset(
        {
            "resilience": (("rate", "init", "measure"), np.array(curve)),
            "ideal": (
                ("init", "measure"),
                np.array([_measured.of_distribution(*test, q) for q in ideal]),
            ),
        },
        coords={"rate": list(rates), "init": inits, "measure": _measured.measures(net)},
        attrs={"shots": shots, "seed": str(seed)},
    )
