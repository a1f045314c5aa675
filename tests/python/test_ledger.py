"""No job is lost and none is paid for twice, whatever happens."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fake_service import FakeService

import qhypernet as qh
from qhypernet import _loop, storage
from qhypernet.samplers import Budget, IBMRuntimeSampler, Ledger, Limits, Paused, Streams

TABLE = np.random.default_rng(6).normal(-8, 3, 32)
SHOTS, STEPS, KILLS = 20, 5, 10
SETTINGS, JOBS = 31, 3
SMALL = Limits(executions=13 * SHOTS)
"""So small that the settings of a step are three jobs."""


@pytest.fixture(autouse=True)
def _no_power_cut(monkeypatch):
    """Nothing here takes the machine's power away, so that what is written need not reach it."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def _sampler(service):
    return IBMRuntimeSampler("aer", service=service, wait=0.0, limits=SMALL)


def _train(folder, sampler, budget=None, steps=STEPS):
    ledger = Ledger(sampler, folder / "jobs", budget)
    gradient = qh.gradients.ParameterShift(SHOTS, ledger)
    circuit = qh.ansatz.brickwork(5, 2)
    folder.mkdir(exist_ok=True)
    checkpoint = folder / "checkpoint.nc"
    with np.errstate(all="ignore"):
        return qh.train(
            circuit,
            TABLE,
            qh.SELBO(),
            n_inits=1,
            n_steps=steps,
            gradient=gradient,
            seed=7,
            progress=False,
            checkpoint=checkpoint,
        )


def _worker(folder, at_ibm, kill_at):
    """Trains; ends by SIGKILL just before or after the k-th file is put in its place."""
    _loop._SECONDS_BETWEEN_CHECKPOINTS = 0.0
    count, real = 0, os.replace

    def replace(source, target):
        nonlocal count
        count += 1
        if 2 * count - 1 == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        real(source, target)
        if 2 * count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    os.replace = replace
    os.fsync = lambda descriptor: None
    service = FakeService(folder / "service") if at_ibm else None
    _train(folder, _sampler(service))


def _nursery(parent, at_ibm, runs):
    """Runs the worker once for each (folder, place to kill it at), in children of a process that
    has imported everything and computed nothing; prints how they ended."""
    import qiskit_ibm_runtime.executor_sampler  # noqa: F401
    import xarray as xr

    storage.write_dataset(parent / "warm.nc", xr.Dataset({"x": ("x", [1.0])}))
    storage.read_dataset(parent / "warm.nc")
    ends = []
    for folder, kill_at in runs:
        child = os.fork()
        if child == 0:
            _worker(parent / folder, at_ibm, kill_at)
            os._exit(0)
        ends.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    print(ends)


def _run(parent, at_ibm, runs):
    code = f"_nursery(Path({str(parent)!r}), {at_ibm}, {runs})"
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    process = subprocess.run(
        [sys.executable, "-c", f"from test_ledger import _nursery, Path; {code}"],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.stdout, process.stderr
    return json.loads(process.stdout)


@pytest.mark.parametrize("at_ibm", [False, True], ids=["local", "service"])
def test_a_run_that_is_killed_at_ten_points_ends_as_one_that_is_not(tmp_path, at_ibm):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    killed.mkdir()
    whole.mkdir()
    draw = random.Random(5)
    kills = [("killed", draw.randint(1, 14)) for _ in range(KILLS)]
    ends = _run(tmp_path, at_ibm, [*kills, ("killed", 0), ("whole", 0)])
    assert ends == [-signal.SIGKILL] * KILLS + [0, 0]
    first, second = (storage.read_dataset(folder / "checkpoint.nc") for folder in (killed, whole))
    for name in first.data_vars:
        np.testing.assert_array_equal(first[name], second[name])
    assert first.sizes["step"] == STEPS
    if at_ibm:
        jobs, others = (FakeService(folder / "service").jobs() for folder in (killed, whole))
        assert len({job["tag"] for job in jobs}) == len(jobs) == len(others) == JOBS * STEPS


@pytest.mark.parametrize(
    ("day", "message"),
    [
        ("failed", "job job-003: .*too hot; nothing was made of it, and the next attempt"),
        ("cancelled", "job job-003: .*cancelled"),
        ("partial", r"job job-003: expected settings, shots and qubits \(13, 20, 5\), got \(6,"),
        ("queued", "job job-003 has not ended after 0 seconds"),
        ("lost on the way", "IBM's service did not .*connection reset"),
    ],
)
def test_a_bad_day_stops_with_a_checkpoint_and_the_next_goes_on(tmp_path, day, message):
    whole = _train(tmp_path / "whole", _sampler(FakeService(tmp_path / "other")))
    service = FakeService(tmp_path / "service", ("good",) * JOBS + (day, "good"))
    with pytest.raises(qh.Interrupted, match=rf"{message}.*stopped after step 1 of 5 and saved"):
        _train(tmp_path / "run", _sampler(service))
    states = [record.state for record in Ledger(_sampler(service), tmp_path / "run/jobs").records()]
    expected = {"queued": "pending", "lost on the way": "intended"}.get(day, "failed")
    assert states.count(expected) >= 1
    (tmp_path / "service/morning").touch()
    resumed = _train(tmp_path / "run", _sampler(service))
    np.testing.assert_array_equal(resumed.params, whole.params)
    # A job that failed is handed in once more; one that was only late, or not heard of, is not.
    assert len(service.jobs()) == JOBS * STEPS + (expected == "failed")


def test_an_expired_token_is_said_and_never_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("QISKIT_IBM_TOKEN", "eyJhbGci")
    service = FakeService(tmp_path / "service", ("no token",))
    with pytest.raises(qh.Interrupted, match="token, which may have expired; set QISKIT_IBM") as no:
        _train(tmp_path / "run", _sampler(service))
    assert "eyJhbGci" not in str(no.value)
    lost = FakeService(tmp_path / "service", ("lost on the way",))
    with pytest.raises(qh.Interrupted, match=r"connection reset by token \(token\)") as no:
        _train(tmp_path / "run", _sampler(lost))
    for path in (tmp_path / "run").rglob("*"):
        assert path.is_dir() or b"eyJhbGci" not in path.read_bytes()


def test_ids_parameters_and_seeds_are_on_disk_before_results_are_awaited(tmp_path):
    service = FakeService(tmp_path / "service", ("queued",))
    with pytest.raises(qh.Interrupted, match="job-000 has not ended"):
        _train(tmp_path, _sampler(service))
    ledger = Ledger(_sampler(service), tmp_path / "jobs")
    records = ledger.records()
    # All jobs of the step were handed in before the first was waited for.
    assert [(r.state, r.id) for r in records] == [("pending", f"job-00{i}") for i in range(JOBS)]
    assert [r.executions for r in records] == [13 * SHOTS, 13 * SHOTS, 5 * SHOTS]
    with np.load(tmp_path / "jobs" / f"{records[0].name}.request.npz") as request:
        assert request["array"].shape == (13, 20)
        told = json.loads(str(request["told"]))
    assert told["tag"] == service.jobs()[0]["tag"]
    assert (told["shots"], told["executions"]) == (SHOTS, 13 * SHOTS)
    assert told["seed"] >= 0


@pytest.mark.parametrize(
    ("budget", "steps", "message"),
    [
        (Budget(executions=SETTINGS * SHOTS * 3 - 1), 2, "max_executions: 1240 of 1859 executions"),
        # 1.5 s for each of six jobs that are paid, and 1 s for the next three.
        (Budget(qpu_seconds=11.5), 2, r"max_qpu_seconds: 9.0 of 11.5 seconds are spent.*about 3.0"),
    ],
)
def test_a_budget_stops_before_it_is_broken(tmp_path, budget, steps, message):
    class _Charging(IBMRuntimeSampler):
        def seconds(self, compiled, executions):
            return 1.0

    service = FakeService(tmp_path / "service")
    sampler = _Charging("aer", service=service, limits=SMALL)
    with pytest.raises(qh.Interrupted, match=rf"{message}.*stopped after step {steps} of 5"):
        _train(tmp_path / "run", sampler, budget)
    assert len(service.jobs()) == JOBS * steps
    _train(tmp_path / "run", sampler)
    assert len(service.jobs()) == JOBS * STEPS


def test_a_layout_outlives_the_day_of_its_calibration(tmp_path):
    circuit = qh.ansatz.hardware_efficient(3, 1)
    first = Ledger(IBMRuntimeSampler("fake_manila"), tmp_path).compiled(circuit)

    class _Other(IBMRuntimeSampler):
        def compiled(self, circuit):
            raise AssertionError("compiled again")

    again = Ledger(_Other("fake_manila"), tmp_path)
    assert again.compiled(circuit).qubits == first.qubits


def test_samples_are_read_back_as_they_were(tmp_path):
    ledger = Ledger(IBMRuntimeSampler("aer", limits=SMALL), tmp_path)
    circuit = qh.ansatz.brickwork(9, 1)
    params = np.random.default_rng(1).uniform(-3, 3, (21, 18))
    streams = Streams(1, 0, np.zeros(21, dtype=int), np.arange(21))
    bits = ledger.sample(circuit, params, SHOTS, streams)
    assert bits.shape == (21, SHOTS, 9)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    np.testing.assert_array_equal(ledger.sample(circuit, params, SHOTS, streams), bits)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == files
    ledger.sample(circuit, params + 1e-9, SHOTS, streams)
    assert len(list(Path(tmp_path).iterdir())) > len(files)


def test_a_ledger_pauses_and_a_bad_budget_is_named(tmp_path):
    with pytest.raises(Paused, match="max_executions: 0 of 0"):
        Ledger(IBMRuntimeSampler("aer"), tmp_path, Budget(executions=0)).sample(
            qh.ansatz.brickwork(2, 1), np.zeros((1, 4)), 2, Streams(0, 0, np.zeros(1), np.zeros(1))
        )
    with pytest.raises(ValueError, match=r"^max_executions: expected"):
        Budget(executions=-1)
    with pytest.raises(ValueError, match=r"^max_qpu_seconds: expected"):
        Budget(qpu_seconds=-1.0)
