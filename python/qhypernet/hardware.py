"""Runs on devices: their samplers, their cost, their jobs, and how good what they measured is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tomli_w

from qhypernet import _measured, noise, runs, storage
from qhypernet.config import HardwareConfig, RunConfig
from qhypernet.gradients import SPSA, ParameterShift
from qhypernet.mitigation import ReadoutMitigation
from qhypernet.runs import Run
from qhypernet.samplers import Budget, IBMRuntimeSampler, Ledger, Streams
from qhypernet.samplers._service import Service

if TYPE_CHECKING:
    import xarray as xr

KINDS = ("ideal", "noisy", "mitigated")
_JOBS, _CURVE = "jobs", "resilience.nc"


def sampler(
    config: HardwareConfig, *, wait: float | None = None, service: Service | None = None
) -> IBMRuntimeSampler:
    """The sampler that a description asks for."""
    return IBMRuntimeSampler(
        config.backend,
        mode=config.mode,
        dynamical_decoupling=config.dynamical_decoupling,
        twirling=config.twirling,
        optimization_level=config.optimization_level,
        transpiler_seed=config.transpiler_seed,
        wait=wait,
        service=service,
    )


def resolved(config: HardwareConfig, service: Service | None = None) -> HardwareConfig:
    """The same with the name of a device in the place of ``least_busy``, so that going on later
    means the same device."""
    if config.backend != "least_busy":
        return config
    name = sampler(config, service=service).backend.name
    return config.model_copy(update={"backend": name})


@dataclass(frozen=True)
class Cost:
    """What a training asks of a device."""

    steps: int
    settings: int
    """Of a step, over all initialisations."""
    shots: int
    """Of each setting."""
    jobs: int
    """Of the whole training, with calibration and the evaluation at its end."""
    executions: int
    """Of all jobs: settings times shots."""
    depth: int
    two_qubit_gates: int
    """Both of the circuit as it is compiled."""
    qpu_seconds: float
    """Of all jobs, estimated."""


def cost(config: RunConfig, sampler: IBMRuntimeSampler) -> Cost:
    """What a run would cost; nothing is submitted.

    Raises:
        ValueError: It does not fit the device, or is no run on hardware.
    """
    hardware = _hardware(config)
    data = config.load_data()
    circuit = config.build_circuit(config.build_network(data))
    gradient = config.build_gradient()
    assert isinstance(gradient, ParameterShift | SPSA)
    measured = gradient.measured(circuit)
    settings = gradient.settings(circuit) * config.training.inits
    compiled = sampler.compiled(measured)
    sampler.check(compiled, gradient.shots)
    batches = [(config.training.steps, settings, gradient.shots)]
    if isinstance(gradient.mitigation, ReadoutMitigation):
        # The gradient's circuit and the one that is evaluated, where they are not the same.
        calibrated = len({measured.fingerprint, circuit.fingerprint})
        patterns = gradient.mitigation.n_settings(circuit.n_qubits)
        batches.append((calibrated, patterns, gradient.mitigation.shots))
    batches.append((1, config.training.inits, hardware.evaluation_shots))
    jobs, executions, seconds = 0, 0, 0.0
    for times, rows, shots in batches:
        for part in sampler.limits.parts(rows, len(compiled.columns), shots):
            size = shots * (min(part.stop, rows) - part.start)
            jobs += times
            executions += times * size
            seconds += times * sampler.seconds(compiled, size)
    return Cost(
        config.training.steps,
        settings,
        gradient.shots,
        jobs,
        executions,
        compiled.depth,
        compiled.two_qubit_gates,
        seconds,
    )


def advice(config: RunConfig, budget: Budget) -> str:
    """What to say where a run does not fit its budget; empty where it does."""
    if budget == Budget():
        return ""
    source = sampler(_hardware(config))
    found = cost(config, source)
    if _fits(found, budget):
        return ""
    text = "This is more than the budget: training will stop on the way, with a checkpoint."
    if config.build_gradient().name != "spsa":
        other = cost(config.replace({"training.gradient": "spsa"}), source)
        text += (
            f" With --gradient spsa it takes {other.executions:,} executions and about "
            f"{other.qpu_seconds:,.0f} s"
            + (", which fits." if _fits(other, budget) else ", still more.")
        )
    return text


def train(
    config: RunConfig,
    folder: Path,
    *,
    budget: Budget | None = None,
    wait: float | None = None,
    logs: Iterable[str] = (),
    progress: bool | None = None,
    service: Service | None = None,
) -> Run:
    """Trains on a device into a folder, going on where an earlier attempt stopped, and evaluates
    there what it trained; with ``logs`` as :func:`qhypernet.runs.execute` has them.

    Raises:
        ValueError: What cannot be run; nothing is submitted and nothing written.
        Interrupted: Ctrl-C, or no samples for now; the same call goes on.
    """
    hardware = _hardware(config)
    source = sampler(hardware, wait=wait, service=service)
    try:
        if not runs.is_done(folder):
            cost(config, source)
        ledger = Ledger(source, folder / _JOBS, budget)
        if ledger.folder.is_dir():
            ledger.hold()
        run = runs.execute(config, folder, sampler=ledger, logs=logs, progress=progress)
        if evaluation_path(folder, hardware).is_file():
            return run
        evaluate(run, hardware, ledger)
    finally:
        source.close()
    return run


def evaluate(run: Run, hardware: HardwareConfig, source: Ledger) -> xr.Dataset:
    """Measures a trained run on a device, and writes what it found into the run's folder.

    Returns:
        ``measured``, dims (init, kind, measure): of the distribution without noise, of the device's
        shots as they are, and, with mitigation, of the same shots corrected.

    Raises:
        Paused: No samples for now; the same call goes on.
    """
    import xarray as xr

    circuit = run.config.build_circuit(run.net)
    seed = run.config.training.seed
    _intend(run.folder, hardware)
    inits = np.arange(len(run.params))
    streams = Streams(seed, run.config.training.steps, inits, 0 * inits)
    bits = source.sample(circuit, run.params, hardware.evaluation_shots, streams)
    weigh = None
    if hardware.mitigation is not None:
        mitigation = ReadoutMitigation(hardware.calibration_shots)
        weigh = mitigation.calibrated(source, circuit, seed)
    test = run.net, run.data.X_test, run.data.y_test
    values = []
    for init in inits:
        ideal = run.probabilities(int(init))
        rows = [
            _measured.of_distribution(*test, ideal),
            _measured.of_shots(*test, bits[init], ideal),
        ]
        if weigh is not None:
            rows.append(_measured.of_shots(*test, bits[init], ideal, weigh))
        values.append(rows)
    found = xr.Dataset(
        {"measured": (("init", "kind", "measure"), np.array(values))},
        coords={
            "init": inits,
            "kind": list(KINDS[: len(values[0])]),
            "measure": _measured.measures(run.net),
        },
        attrs={"backend": hardware.backend, "shots": hardware.evaluation_shots, "seed": str(seed)},
    )
    storage.write_dataset(evaluation_path(run.folder, hardware), found)
    return found


def evaluate_under_noise(run: Run, rates: Sequence[float], shots: int) -> xr.Dataset:
    """The run's noise-resilience curve (:func:`qhypernet.noise.resilience`), kept in its folder."""
    circuit = run.config.build_circuit(run.net)
    seed = run.config.training.seed
    found = noise.resilience(circuit, run.params, run.net, run.data, rates, shots=shots, seed=seed)
    storage.write_dataset(run.folder / _CURVE, found)
    return found


def curve(folder: Path) -> xr.Dataset | None:
    """The noise-resilience curve that a run's folder holds, if it does."""
    path = folder / _CURVE
    return storage.read_dataset(path) if path.is_file() else None


def ledger(
    hardware: HardwareConfig,
    folder: Path,
    *,
    budget: Budget | None = None,
    wait: float | None = None,
    service: Service | None = None,
) -> Ledger:
    """The record of a run's jobs."""
    return Ledger(sampler(hardware, wait=wait, service=service), folder / _JOBS, budget)


def records(folder: Path) -> Ledger:
    """The record of a run's jobs, to look at only."""
    return Ledger(None, folder / _JOBS)  # type: ignore[arg-type]


def evaluation_path(folder: Path, hardware: HardwareConfig) -> Path:
    """Where an evaluation's result is."""
    return folder / f"measured-{_name(hardware)}.nc"


def evaluations(folder: Path) -> list[xr.Dataset]:
    """All evaluations of a run that are done."""
    return [storage.read_dataset(path) for path in sorted(folder.glob("measured-*.nc"))]


def pending(folder: Path) -> list[HardwareConfig]:
    """Evaluations that were begun and are not done."""
    found = []
    for path in sorted(folder.glob("measured-*.toml")):
        if not path.with_suffix(".nc").is_file():
            content = {"data": {"source": "moons"}, "hardware": RunConfig.read(path)}
            found.append(_hardware(RunConfig.parse(content, str(path))))
    return found


def _intend(folder: Path, hardware: HardwareConfig) -> None:
    path = evaluation_path(folder, hardware).with_suffix(".toml")
    if not path.is_file():
        storage.write_text(path, tomli_w.dumps(hardware.model_dump(exclude_none=True)))


def _name(hardware: HardwareConfig) -> str:
    """A name of an evaluation that belongs to its description alone."""
    import hashlib

    text = tomli_w.dumps(hardware.model_dump(exclude_none=True))
    return f"{hardware.backend}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _hardware(config: RunConfig) -> HardwareConfig:
    if config.hardware is None:
        raise ValueError("hardware: expected a run on hardware, got one without a backend")
    return config.hardware


def _fits(found: Cost, budget: Budget) -> bool:
    executions, seconds = budget.executions, budget.qpu_seconds
    return (executions is None or found.executions <= executions) and (
        seconds is None or found.qpu_seconds <= seconds
    )
