"""One parameter-shift gradient through samplers, beside the raw call and qiskit-machine-learning.

python benches/hardware.py           measures and prints; installs the peer's environment if missing

Five qubits, 30 shifted settings and the unshifted one, 1000 shots each: through Aer without noise,
and through IBM's client in local mode on a fake device with its noise, where the peer gets a
simulator whose noise model is made beforehand, as ours is.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _environments import FOLDER, OWN, PYTHONS, _made, python_of

SHOTS, ROUNDS = 1000, 7
PEER = "qiskit_machine_learning"
CASES = ("aer", "fake_manila")


def main() -> None:
    """Measures in interleaved rounds and prints medians."""
    if "--peer" in sys.argv:
        _serve(sys.argv[-1])
        return
    for case in CASES:
        own, raw = _ours(case)
        own()
        raw()
        rounds = [(_seconds(own), _seconds(raw)) for _ in range(ROUNDS)]
        ours = statistics.median(first for first, _ in rounds)
        over = statistics.median(first / second for first, second in rounds)
        print(
            f"{case}: {1e3 * ours:.0f} ms, {over:.2f} of the raw sampler call (goal: at most 1.3)"
        )
        if peer := _peer(case):
            print(f"{case}: SamplerQNN.backward takes {peer / ours:.1f} times that (goal: 5)")


def _ours(case: str) -> tuple[Callable[[], object], Callable[[], object]]:
    """Our gradient, and the raw sampler call for its settings."""
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
    make, passes = _samplers(case)
    sampler: Any = qh.samplers.QiskitSampler(make)
    if passes is not None:
        sampler = qh.samplers.IBMRuntimeSampler(case)
    gradient = ParameterShift(SHOTS, sampler)
    n_settings = gradient.settings(circuit)
    assert n_settings == 31
    pub = sampler.compiled(gradient.measured(circuit)).pub(np.repeat(params, n_settings, axis=0))

    def own() -> object:
        return gradient(circuit, problem, term, params, seed=0, step=0)

    def raw() -> object:
        return make(1).run([pub], shots=SHOTS).result()

    return own, raw


def _samplers(case: str) -> tuple[Callable[[int], Any], Any]:
    """A function from a seed to a sampler, and what compiles for it, if it needs that."""
    from qiskit_aer import AerSimulator
    from qiskit_aer.primitives import SamplerV2

    if case == "aer":
        return lambda seed: SamplerV2(seed=seed, default_shots=SHOTS), None
    from qiskit.transpiler import generate_preset_pass_manager
    from qiskit_ibm_runtime.executor_sampler import Sampler
    from qiskit_ibm_runtime.fake_provider import FakeManilaV2

    device = FakeManilaV2()
    simulator = AerSimulator.from_backend(device)

    def make(seed: int) -> Sampler:
        options = {"default_shots": SHOTS, "simulator": {"seed_simulator": seed}}
        return Sampler(mode=simulator, options=options)

    return make, generate_preset_pass_manager(3, backend=device, seed_transpiler=0)


def _peer(case: str) -> float:
    """Seconds of the peer's gradient, measured in its own environment; 0 where it has none."""
    python, requirement = python_of(PEER), OWN[PEER][0]
    if not Path(python).exists() and not any(
        _made(FOLDER / PEER, candidate, requirement) for candidate in PYTHONS
    ):
        print(f"{requirement} cannot be installed here: compared without it")
        return 0.0
    command = [python, __file__, "--peer", case]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        print(f"{case}: no peer: {result.stderr.strip().splitlines()[-1]}")
        return 0.0
    return float(json.loads(result.stdout.splitlines()[-1]))


def _serve(case: str) -> None:
    """The peer's gradient of the same circuit: every probability by every parameter."""
    from qiskit import QuantumCircuit
    from qiskit.circuit import ParameterVector
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
    make, passes = _samplers(case)
    network = SamplerQNN(
        circuit=circuit,
        weight_params=list(params),
        sampler=make(1),
        pass_manager=passes,
        gradient=ParamShiftSamplerGradient(make(1), pass_manager=passes),
    )
    values = np.random.default_rng(0).uniform(-3, 3, 15)
    network.backward(None, values)
    times = [_seconds(lambda: network.backward(None, values)) for _ in range(3)]
    print(json.dumps(statistics.median(times)))


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
