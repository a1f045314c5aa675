"""Runs on devices from the command line: trained, evaluated, killed, resumed, paid for once."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from fake_service import FakeService

import qhypernet as qh
from qhypernet import cli, hardware, runs, storage
from qhypernet.config import RunConfig
from qhypernet.samplers import Budget, IBMRuntimeSampler, Ledger, Streams, ibm

RUN = ["table.csv", "--target", "y", "--backend", "fake_manila", "--inits", "1"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    # Nothing here takes the machine's power away.
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, 4))
    y = X @ [1, -1, 1, 1] + 0.4 * rng.normal(size=60) > 0
    rows = [
        ",".join(f"{v:.3f}" for v in x) + f",{int(label)}" for x, label in zip(X, y, strict=True)
    ]
    Path("table.csv").write_text("a,b,c,d,y\n" + "\n".join(rows) + "\n")


@pytest.fixture
def call(monkeypatch, capsys):
    """Runs ``qhypernet hardware`` here; returns its exit status, what it printed, and errors."""

    def run(*arguments, group="hardware"):
        argv = ["qhypernet", *([group] if group else []), *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", argv)
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return (int(stop.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def service(monkeypatch, tmp_path):
    """A service in the place of IBM's for all names that are not local."""
    found = FakeService(tmp_path / "service")

    def backend(name):
        if name not in ("ibm_fake", "least_busy"):
            raise ValueError(f"backend: no such one as {name!r} for this account")
        device = ibm.LocalService().backend("fake_manila")
        device.name = "ibm_fake"
        return device

    found.backend = backend
    monkeypatch.setattr(ibm, "service_of", lambda name: found)
    return found


def _result(folder):
    return storage.read_dataset(Path(folder) / "result.nc")


def test_five_weights_are_trained_on_a_fake_device_from_end_to_end(call):
    shots = ["--shots", 60, "--steps", 15, "--lr", "0.3", "--start", "near_uniform"]
    shots += ["--weight", 5]
    status, out, errors = call("train", *RUN, *shots, "--out", "r", "--mitigation", "mthree")
    assert status == 0, errors
    run = runs.read(Path("r"))
    assert run.net.n_weights == 5
    (found,) = hardware.evaluations(Path("r"))
    values = found["measured"].isel(init=0)
    assert list(found["kind"].values) == ["ideal", "noisy", "mitigated"]
    # The same training from the simulated state: as accurate, within two of its 18 test points.
    config = run.config.replace({"training.gradient": "parameter_shift"})
    config = config.model_copy(update={"hardware": None})
    ideal = runs.execute(config, Path("ideal"))
    names = list(run.result["metric"].values)
    accuracy = names.index("accuracy")
    reached = [float(r.result["trained"].values[0, accuracy]) for r in (run, ideal)]
    assert abs(reached[0] - reached[1]) <= 2 / len(run.data.y_test) + 1e-9
    assert min(reached) > 0.8
    # Noise moves the measured distribution away, and correction of the readout moves it back.
    mmd2 = values.sel(measure="mmd2").values
    assert mmd2[0] == 0
    assert mmd2[1] > 4 * abs(mmd2[2])
    # The page shows it, and what was printed is the same.
    assert "mitigated" in out
    assert call("report", "r", group="")[0] == 0
    assert "Ideal, noisy, mitigated: fake_manila" in Path("r/report.html").read_text()
    status, out, _ = call("status", "r")
    # 15 steps of 11 settings, a calibration, and the evaluation.
    assert re.search(r"jobs done\s+17", out)
    assert re.search(rf"executions\s+{15 * 11 * 60 + 8 * 10_000 + 4000:,}", out)


def test_a_seed_gives_its_bits(call):
    few = ["--shots", 20, "--steps", 2, "--gradient", "spsa"]
    for folder in "ab":
        assert call("train", *RUN, *few, "--out", folder)[0] == 0
    assert call("train", *RUN, *few, "--seed", 1, "--out", "c")[0] == 0
    a, b, c = map(_result, "abc")
    np.testing.assert_array_equal(a["params"], b["params"])
    assert (a["params"] != c["params"]).any()
    measured = [hardware.evaluations(Path(folder))[0]["measured"].values for folder in "ab"]
    np.testing.assert_array_equal(*measured)


def test_a_command_that_is_killed_is_resumed_with_the_same_bits(call, tmp_path):
    argv = ["train", *RUN, "--backend", "aer", "--shots", "20", "--steps", "12"]
    code = "from qhypernet.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "hardware", *argv, "--out", "a"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    while len(list(tmp_path.glob("a/jobs/*.bits.npz"))) < 3:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert call("resume", "a")[0] == 0
    assert call(*argv, "--out", "b")[0] == 0
    for name in ("params", "objective", "trained"):
        np.testing.assert_array_equal(_result("a")[name], _result("b")[name])


def test_a_queue_a_budget_and_a_device_that_was_picked(call, service):
    argv = ["train", *RUN[:3], "--backend", "least_busy", "--inits", 1, "--shots", 20]
    argv += ["--steps", 3, "--gradient", "spsa", "--out", "r", "--wait", 0]
    service.days = ("good", "queued")
    status, _, errors = call(*argv)
    assert status == 75
    assert "Paused: job job-001 has not ended after 0 seconds; stopped after step 1" in errors
    assert "qhypernet hardware resume r" in errors
    assert runs.stored_config(Path("r")).hardware.backend == "ibm_fake"
    assert "job-001" in call("status", "r")[1]
    status, _, errors = call("train", "--out", "r", group="")
    assert status == 1
    assert "r is a run on hardware; use qhypernet hardware resume" in errors
    Path("service/morning").touch()
    status, _, errors = call("resume", "r", "--max-executions", 119)
    assert status == 75, errors
    assert re.search(r"Paused: max_executions: 80 of 119 .* stopped after step 2 of 3", errors)
    status, _, errors = call("resume", "r")
    assert status == 0, errors
    assert len(service.jobs()) == 4
    # What is done is shown again, without a job.
    assert call("resume", "r")[0] == 0
    assert call("train", "--out", "r")[0] == 0
    assert len(service.jobs()) == 4


def test_an_evaluation_is_picked_up_too(call, service):
    assert call("train", *RUN[:3], "--inits", 2, "--steps", 3, "--out", "r", group="")[0] == 0
    service.days = ("queued", "good")
    asked = ["evaluate", "r", "--backend", "ibm_fake", "--shots", 50, "--wait", 0]
    status, _, errors = call(*asked)
    assert (status, len(service.jobs())) == (75, 1)
    assert "go on with: qhypernet hardware resume r" in errors
    Path("service/morning").touch()
    status, out, errors = call("resume", "r")
    assert status == 0, errors
    assert "Measured on ibm_fake, 50 shots, median of 2 starts" in out
    assert len(service.jobs()) == 1


def test_the_cost_is_in_sight_before_anything_is_submitted(call):
    argv = ["train", *RUN, "--steps", 10, "--shots", 100, "--layers", 2, "--dry-run"]
    status, out, _ = call(*argv, "--max-executions", 20_000, "--mitigation", "mthree")
    assert status == 0
    # 15 of 20 angles matter: the last RZs do not, so 2 x 15 + 1 settings of 100 shots.
    assert re.search(r"circuits a step\s+31", out)
    executions = 10 * 31 * 100 + 8 * 10_000 + 4000
    assert re.search(rf"executions\s+{executions:,}", out)
    assert re.search(r"jobs\s+12", out)
    config = RunConfig.parse(
        {
            "data": {"source": "table.csv", "target": "y"},
            "circuit": {"layers": 2},
            "training": {"inits": 1, "steps": 10, "shots": 100},
            "hardware": {"backend": "fake_manila", "mitigation": "mthree"},
        },
        "test",
    )
    source = hardware.sampler(config.hardware)
    found = hardware.cost(config, source)
    # 250 microseconds of delay for each, 2 s a job, and the circuit's own few microseconds.
    assert found.qpu_seconds == pytest.approx(executions * 250e-6 + 24, rel=0.05)
    assert found.two_qubit_gates == 8
    assert "--gradient spsa" in out
    assert hardware.advice(config, Budget(executions=executions)) == ""
    assert sorted(path.name for path in Path().iterdir()) == ["table.csv"]


def test_a_curve_of_growing_noise(call):
    argv = ["train", *RUN[:3], "--objective", "elbo", "--weight", "50:1", "--steps", 150]
    argv += ["--layers", 3, "--inits", 2, "--start", "near_uniform", "--out", "r"]
    assert call(*argv, group="")[0] == 0
    assert call("evaluate", "r", "--noise", "0,0.02,0.3", "--shots", 1000)[0] == 0
    curve = hardware.curve(Path("r"))
    median = curve["resilience"].median("init")
    assert (np.diff(median.sel(measure="mmd2")) > 0).all()
    assert (np.diff(median.sel(measure="expected_nll")) > 0).all()
    assert call("report", "r", group="")[0] == 0
    assert "Under growing noise" in Path("r/report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "moons"], "backend: expected a device's name, least_busy, a fake one"),
        (["train", "moons", "--backend", "fake_manilla"], "backend: no such one .*'fake_manila'"),
        (["train", *RUN, "--hidden", "2"], "circuit: expected at most 5 qubits, .* got 13"),
        (["train", *RUN, "--shots", "100001"], "shots: expected at most 100000 for fake_manila"),
        (["train", *RUN, "--objective", "elbo"], "log q.*SELBO needs samples only"),
        (["train", *RUN, "--gradient", "sampled"], "expected 'parameter_shift' or 'spsa' on hard"),
        (["train", *RUN, "--mitigation", "m4"], "hardware.mitigation: expected 'mthree', got 'm4'"),
        (["train", *RUN, "--mode", "bach"], "hardware.mode: expected 'job', 'batch' or 'session'"),
        (["train", *RUN, "--max-executions", "-1"], "max_executions: expected .* got -1"),
        (["resume", "nowhere"], "run: expected the folder of a run, got nowhere"),
        (["status", "nowhere"], "run: expected the folder of a run, got nowhere"),
        (["evaluate", "nowhere", "--backend", "aer"], "there is no such folder"),
    ],
)
def test_what_cannot_be_run_is_one_clear_line_and_writes_nothing(call, arguments, message):
    status, _, errors = call(*arguments)
    assert status == 1
    assert errors.startswith("Error: ")
    assert len(errors.splitlines()) == 1
    assert re.search(message, errors), errors
    assert sorted(path.name for path in Path().iterdir()) == ["table.csv"]


def test_a_folder_of_another_configuration_is_left_alone(call):
    few = ["--shots", 20, "--steps", 1]
    assert call("train", *RUN, *few, "--out", "r")[0] == 0
    before = {path: path.read_bytes() for path in Path("r").rglob("*") if path.is_file()}
    status, _, errors = call("train", *RUN, *few, "--twirling", "--out", "r")
    assert status == 1
    assert "with hardware.twirling = False (asked for: True)" in errors
    status, _, errors = call("evaluate", "r")
    assert "backend: expected a backend's name, or --noise, got none" in errors
    assert {p: p.read_bytes() for p in Path("r").rglob("*") if p.is_file()} == before


def test_two_programs_do_not_hand_in_the_same_jobs(tmp_path):
    jobs = tmp_path / "r/jobs"
    jobs.mkdir(parents=True)
    arguments = (
        qh.ansatz.brickwork(2, 1),
        np.zeros((1, 4)),
        2,
        Streams(0, 0, *np.zeros((2, 1), int)),
    )
    with (jobs / "lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match=r"^out: another program is at work in .*r; wait"):
            Ledger(IBMRuntimeSampler("aer"), jobs).sample(*arguments)
    for _ in range(2):
        Ledger(IBMRuntimeSampler("aer"), jobs).sample(*arguments)
