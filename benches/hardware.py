"""One parameter-shift gradient through Aer, beside the raw call and qiskit-machine-learning.

python benches/hardware.py           measures and prints; installs the peer's environment if missing
python benches/hardware.py --peer    what the peer's process runs

Five qubits, 30 shifted settings and the unshifted one, 1000 shots each, one process thread for all.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

SHOTS, ROUNDS = 1000, 7


def main() -> None:
    """Measures in interleaved rounds and prints medians of the ratios."""
    if "--peer" in sys.argv:
        serve()
        return
    own, raw = _ours()
    own()
    raw()
    ratios = []
    for _ in range(ROUNDS):
        ours, theirs = _seconds(own), _seconds(raw)
        ratios.append((ours, ours / theirs))
    seconds, over = (statistics.median(column) for column in zip(*ratios, strict=True))
    print(f"gradient: {1e3 * seconds:.0f} ms, {over:.2f} of the raw call (goal: at most 1.3)")
    peer = _peer()
    if peer:
        times = [peer / ours for ours, _ in ratios]
        print(f"SamplerQNN.backward over ours: {statistics.median(times):.1f} (goal: at least 5)")


def _ours() -> tuple[Callable[[], object], Callable[[], object]]:
    """Our gradient, and the raw sampler call for its settings."""
    from qiskit_aer.primitives import SamplerV2

    import qhypernet as qh
    from qhypernet import _core
    from qhypernet.gradients import ParameterShift
    from qhypernet.gradients._base import Term
    from qhypernet.objectives import Target

    circuit = qh.ansatz.brickwork(5, 2)
    params = np.random.default_rng(0).uniform(-3, 3, (1, circuit.n_params))
    table, prior = np.random.default_rng(1).normal(-8, 3, 32), qh.BernoulliPrior(5)
    problem = _core.Problem(table, prior.p_plus)
    term = Term(qh.SELBO(), Target(-table, prior), 30.0)
    sampler = qh.samplers.QiskitSampler(lambda seed: SamplerV2(seed=seed))
    gradient = ParameterShift(SHOTS, sampler)
    n_settings = gradient.settings(circuit)
    assert n_settings == 31
    compiled = sampler.compiled(gradient.measured(circuit))
    settings = np.repeat(params, n_settings, axis=0)

    def own() -> object:
        return gradient(circuit, problem, term, params, seed=0, step=0)

    def raw() -> object:
        return SamplerV2(seed=1).run([compiled.pub(settings)], shots=SHOTS).result()

    return own, raw


def _peer() -> float:
    """Seconds of the peer's gradient, measured in its own environment; 0 where it has none."""
    from _environments import OWN, PYTHONS, _made, python_of

    name = "qiskit_machine_learning"
    python = python_of(name)
    if not os.path.exists(python):
        folder, requirement = os.path.dirname(os.path.dirname(python)), OWN[name][0]
        from pathlib import Path

        if not any(_made(Path(folder), candidate, requirement) for candidate in PYTHONS):
            print(f"{requirement} cannot be installed here: compared without it")
            return 0.0
    result = subprocess.run(
        [python, __file__, "--peer"], capture_output=True, text=True, check=False
    )
    if result.returncode:
        print(f"peer: {result.stderr.strip().splitlines()[-1]}")
        return 0.0
    return float(json.loads(result.stdout.splitlines()[-1]))


def serve() -> None:
    """The peer's gradient of the same circuit: every probability by every parameter."""
    from qiskit import QuantumCircuit
    from qiskit.circuit import ParameterVector
    from qiskit_aer.primitives import SamplerV2
    from qiskit_machine_learning.gradients import ParamShiftSamplerGradient
    from qiskit_machine_learning.neural_networks import SamplerQNN

    n, params = 5, ParameterVector("t", 15)
    circuit = QuantumCircuit(n)
    for layer in range(2):
        for first in range(1 - layer, n - 1, 2):
            circuit.cx(first, first + 1)
        for q in range(n):
            circuit.ry(params[layer * n + q], q)
            if layer == 0:
                circuit.rz(params[2 * n + q], q)
    sampler = SamplerV2(seed=1, default_shots=SHOTS)
    network = SamplerQNN(
        circuit=circuit,
        weight_params=list(params),
        sampler=sampler,
        gradient=ParamShiftSamplerGradient(sampler),
    )
    values = np.random.default_rng(0).uniform(-3, 3, 15)
    network.backward(np.zeros((1, 0)), values)
    print(json.dumps(min(_seconds(lambda: network.backward(None, values)) for _ in range(3))))


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
