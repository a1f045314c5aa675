"""Sweeps: the same files whoever does the work, and whatever happens on the way."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import psutil
import pytest
import xarray as xr

import qhypernet as qh
from qhypernet import _core, cli, runs, storage
from qhypernet.config import RunConfig
from qhypernet.sweeps import _cost, _engines
from qhypernet.sweeps._plan import Plan
from qhypernet.sweeps._sweep import Sweep
from qhypernet.sweeps._unit import HISTORY, Workplace

BASE = {
    "data": {"source": "moons", "n_samples": 40},
    "network": {"hidden": [1], "activation": "tanh"},
    "training": {"inits": 5, "steps": 8, "seed": 3},
}
SWEEP = {"objective.weight": [1, 30], "data.seed": [0, 1], "chunk": 2}
QUICK = BASE | {"sweep": SWEEP}
# Units that take long enough to be interrupted: some tenths of a second each on one thread.
N_SLOW = 8
SLOW = {
    "data": {"source": "moons"},
    "network": {"hidden": [3], "activation": "tanh"},
    "circuit": {"layers": 4},
    "training": {"inits": 2, "steps": 400},
    "sweep": {"training.seed": list(range(N_SLOW)), "chunk": 2},
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """The quick sweep, done by one process."""
    return qh.sweep(QUICK, tmp_path_factory.mktemp("serial") / "s", jobs=1)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """The slow sweep, done by one process."""
    return qh.sweep(SLOW, tmp_path_factory.mktemp("slow") / "s", jobs=1)


def files(sweep: Sweep) -> dict[str, bytes]:
    """Everything in the folder of results."""
    return {path.name: path.read_bytes() for path in (sweep.folder / "units").iterdir()}


def write_toml(path: Path, description: dict[str, object]) -> Path:
    path.write_text(Plan.parse(description, "test").to_toml())
    return path


def call(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Runs the command in this process; returns its exit status."""
    monkeypatch.setattr(sys, "argv", ["qhypernet", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return int(stop.value.code or 0)


def command(*arguments: str) -> subprocess.Popen[str]:
    """Starts the command in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", "from qhypernet.cli import main; main()", "sweep", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_units(folder: Path, n: int) -> None:
    deadline = time.monotonic() + 60
    while len(list(folder.glob("units/*.nc"))) < n:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_unit_has_the_numbers_of_the_run(serial: Sweep) -> None:
    config = RunConfig.parse(BASE, "test").replace({"objective.weight": 30, "data.seed": 1})
    run = runs.execute(config, Path("r")).result
    own = serial.collect("c.nc").sel({"objective.weight": 30, "data.seed": 1}).load()
    assert bool(own["done"].all())
    for name in ("trained", "mode", "ground_truth", "params", "failed", *HISTORY):
        np.testing.assert_array_equal(own[name], run[name], err_msg=name)
    assert float(own["log_evidence"]) == run.attrs["log_evidence"]


def test_the_example_of_the_readme_is_a_sweep() -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text()
    (content,) = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    Path("weights.toml").write_text(content)
    plan = Plan.read(Path("weights.toml"))
    assert len(plan.configurations) == 27
    assert sum(unit.n_inits for unit in plan.units(Path.cwd())) == 27 * 50


def test_chunks_do_not_change_the_numbers(serial: Sweep) -> None:
    other = QUICK | {"sweep": SWEEP | {"chunk": 5}}
    whole = qh.sweep(other, "s", jobs=1)
    assert len(whole.entries) == 4
    assert len(serial.entries) == 12
    first, second = serial.collect("a.nc").load(), whole.collect("b.nc").load()
    xr.testing.assert_equal(first, second)


def test_processes_and_shards_write_the_same_files(serial: Sweep) -> None:
    parallel = qh.sweep(QUICK, "p", jobs=2)
    assert files(parallel) == files(serial)
    for part in (3, 1, 2):
        sharded = qh.sweep(QUICK, "q", shard=f"{part}/3")
        expected = {3: 4, 1: 8, 2: 12}[part]
        assert sharded.status().done == expected
    assert files(sharded) == files(serial)


def test_only_what_is_missing_is_done(serial: Sweep) -> None:
    sweep = qh.sweep(QUICK, "s", jobs=1)
    lost = [sweep.file(entry) for entry in sweep.entries[::5]]
    for path in lost:
        path.unlink()
    # What a process that was killed while writing leaves.
    (sweep.folder / "units" / f".{lost[0].name}.x1").write_text("half")
    os.utime(sweep.folder / "units" / f".{lost[0].name}.x1", (0, 0))
    kept = {path: path.stat().st_mtime_ns for path in (sweep.folder / "units").glob("*.nc")}
    assert sweep.status().done == 9
    assert not bool(sweep.collect()["done"].all())
    assert qh.sweep(QUICK, "s", jobs=1).status().done == 12
    assert all(path.stat().st_mtime_ns == before for path, before in kept.items())
    assert files(sweep) == files(serial)


def test_killed_at_any_time_and_begun_again(
    slow: Sweep, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_toml(Path("s.toml"), SLOW)
    process = command("s.toml", "--out", "o", "--jobs", "2")
    wait_for_units(Path("o"), 3)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert 3 <= qh.read_sweep("o").status().done < N_SLOW
    status = call("sweep", "--out", "o", "--jobs", "1", monkeypatch=monkeypatch)
    assert status == 0
    assert f"{N_SLOW} of {N_SLOW} units done" in capsys.readouterr().out
    assert files(qh.read_sweep("o")) == files(slow)


def test_workers_leave_ctrl_c_to_the_process_that_ends_them() -> None:
    qh.sweep(QUICK, "s", jobs=2)
    children = psutil.Process().children(recursive=True)
    workers = [child for child in children if any("Loky" in word for word in child.cmdline())]
    assert len(workers) >= 2
    for worker in workers:
        worker.send_signal(signal.SIGINT)
    _, alive = psutil.wait_procs(workers, timeout=1)
    assert set(alive) == set(workers)


def test_ctrl_c_says_how_far_it_came(slow: Sweep) -> None:
    write_toml(Path("s.toml"), SLOW)
    for jobs in ("1", "2"):
        process = command("s.toml", "--out", jobs, "--jobs", jobs)
        wait_for_units(Path(jobs), 1)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130, errors
        assert re.search(r"stopped with \d+ of 8 units done; the same call goes on", errors)
        assert "Traceback" not in errors
        names = files(qh.read_sweep(jobs))
        assert 1 <= len(names) < N_SLOW
        assert names.items() <= files(slow).items()


def test_a_worker_of_this_machine_that_dies_is_replaced(slow: Sweep) -> None:
    sweep: list[Sweep] = []
    worker = threading.Thread(target=lambda: sweep.append(qh.sweep(SLOW, "o", jobs=2)))
    worker.start()
    killed = 0
    while killed < 2:
        wait_for_units(Path("o"), 1 + 3 * killed)
        loky = [
            child
            for child in psutil.Process().children(recursive=True)
            if "popen_loky_posix" in " ".join(child.cmdline())
        ]
        if loky:
            loky[0].kill()
            killed += 1
    worker.join(timeout=120)
    assert files(sweep[0]) == files(slow)


def test_a_unit_that_kills_every_worker_ends_the_sweep(
    serial: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = serial.plan.units(Path.cwd())[:2]
    workplace = Workplace(Path.cwd(), Path.cwd(), serial.plan.options)
    monkeypatch.setattr(_engines, "work", _die)
    monkeypatch.setattr(_engines, "_ATTEMPTS", 2)
    with pytest.raises(RuntimeError, match="workers were killed 2 times in a row"):
        list(_engines.local(units, workplace, 2))


def _die(unit: object, workplace: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_fails_is_recorded_and_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    many = {"training.shots": [5, 10**15], "chunk": 5}
    write_toml(Path("s.toml"), BASE | {"sweep": many})
    assert call("sweep", "s.toml", "--out", "o", "--jobs", "1", monkeypatch=monkeypatch) == 1
    out = capsys.readouterr().out
    assert "1 of 2 units done, 1 failed" in out
    assert re.search(r"1 x MemoryError: .*needs .* available", out)
    sweep = qh.read_sweep("o")
    table = sweep.table()
    assert table["training.shots"].tolist() == [5] * 5
    assert sweep.report().exists()
    assert "units without a result" in Path("o/report.html").read_text()


def test_what_diverges_is_a_result() -> None:
    rates = {"cases": [{"training.learning_rate": rate} for rate in (0.1, 1e308)], "chunk": 2}
    sweep = qh.sweep(BASE | {"sweep": rates}, "o", jobs=1)
    assert not sweep.status().errors
    collected = sweep.collect()
    assert collected["failed"].sum("init").values.tolist() == [0, 5]
    assert bool(np.isfinite(collected["params"]).all())
    assert np.isnan(collected["objective"].isel(case=1)[:, -1]).all()
    assert "initialisations that diverged" in sweep.report().read_text()


def test_axes_of_every_kind_come_together() -> None:
    description = BASE | {
        "sweep": {
            "network.hidden": [[1], [2]],
            "training.steps": [3, 6],
            "training": {"inits": [1, 3]},
            "cases": [{"objective.name": "mle"}, {"objective": {"name": "elbo", "weight": "9:1"}}],
            "history_every": 2,
            "history_dtype": "float32",
        }
    }
    sweep = qh.sweep(description, "o", jobs=1)
    found = sweep.collect()
    axes = ("case", "network.hidden", "training.steps", "training.inits")
    assert found["objective"].dims == (*axes, "init", "step")
    assert found["objective"].dtype == np.float32
    assert found["params"].dtype == np.float64
    assert found["step"].values.tolist() == [0, 2, 4, 5]
    assert found["network.hidden"].values.tolist() == ["1", "2"]
    assert found.attrs["case"].splitlines()[1] == "objective.name = elbo, objective.weight = 9:1"
    place = {"case": 1, "network.hidden": "2", "training.steps": 6, "training.inits": 3}
    config = RunConfig.parse(BASE, "test").replace(
        {
            "network.hidden": [2],
            "training.steps": 6,
            "training.inits": 3,
            "objective.name": "elbo",
            "objective.weight": "9:1",
        }
    )
    run = runs.execute(config, Path("r")).result
    kept = run["objective"].isel(step=[0, 2, 4, 5]).astype(np.float32)
    np.testing.assert_array_equal(found["objective"].sel(place), kept)
    np.testing.assert_array_equal(found["trained"].sel(place), run["trained"])
    # What a shorter or smaller configuration does not have is not there.
    assert np.isnan(found["objective"].sel(place | {"training.steps": 3})[:, 2]).all()
    assert found["done"].sel(place | {"training.inits": 1}).values.tolist() == [True, False, False]
    page = sweep.report().read_text()
    assert "Over network.hidden" in page
    assert "case 1" in page
    assert "<script" not in page


def test_no_history_at_all() -> None:
    sweep = qh.sweep(BASE | {"sweep": SWEEP | {"history_every": 0}}, "o", jobs=1)
    assert "objective" not in sweep.collect()


def test_collecting_is_lazy_and_takes_the_memory_of_a_unit(serial: Sweep) -> None:
    n_units, n_steps = 12, 2500
    description = BASE | {
        "training": {"inits": 10, "steps": n_steps},
        "sweep": {"data.seed": list(range(n_units)), "chunk": 10},
    }
    plan = Plan.parse(description, "test")
    Path("o/units").mkdir(parents=True)
    units = plan.units(Path.cwd())
    index = [[u.name, u.place, u.first_init, u.n_inits, u.n_params] for u in units]
    storage.write_text("o/units.json", json.dumps(index))
    storage.write_text("o/sweep.toml", plan.to_toml())
    one = storage.read_dataset(serial.file(serial.entries[0])).drop_dims(("init", "step"))
    n_params = units[0].n_params
    rng = np.random.default_rng(0)
    for unit in units:
        curves = {name: (("init", "step"), rng.normal(size=(10, n_steps))) for name in HISTORY}
        metrics = rng.normal(size=(10, one.sizes["metric"]))
        dataset = one.assign(
            curves
            | {
                "trained": (("init", "metric"), metrics),
                "mode": (("init", "metric"), metrics),
                "params": (("init", "param"), rng.normal(size=(10, n_params))),
                "failed": (("init",), np.zeros(10, dtype=bool)),
            }
        ).assign_coords(init=np.arange(10), step=np.arange(n_steps))
        storage.write_dataset(f"o/units/{unit.name}.nc", dataset)
    sweep = qh.read_sweep("o")
    sweep.table()  # What is imported once is no part of it.
    one_unit = 8 * 10 * n_steps * len(HISTORY)
    tracemalloc.start()
    found = sweep.collect()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found["objective"].nbytes * len(HISTORY) == n_units * one_unit
    assert peak < 6 * one_unit
    assert not found["objective"].variable._in_memory
    np.testing.assert_array_equal(found["regularizer"][-1], dataset["regularizer"])


def test_a_damaged_result_is_named(serial: Sweep) -> None:
    sweep = qh.sweep(QUICK, "s", jobs=1)
    path = sweep.file(sweep.entries[3])
    content = bytearray(path.read_bytes())
    where = content.index(np.float64(storage.read_dataset(path)["log_evidence"]).tobytes())
    content[where] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{path.name}: expected a whole result file"):
        sweep.collect()
    path.unlink()
    qh.sweep(QUICK, "s", jobs=1).collect()


def test_status_has_rate_and_time_left(
    serial: Sweep, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = qh.sweep(QUICK, "s", jobs=1)
    now = time.time()
    for i, entry in enumerate(sweep.entries):
        os.utime(sweep.file(entry), (now - 2 * i, now - 2 * i))
    for entry in sweep.entries[:2]:
        sweep.file(entry).unlink()
    status = sweep.status()
    assert status.rate == pytest.approx(9 / 22, rel=0.1)  # from the first file until now
    assert status.seconds_left == pytest.approx(2 / status.rate)
    assert call("sweep", "status", "s", monkeypatch=monkeypatch) == 0
    assert re.search(
        r"10 of 12 units done, 0.[34]\d* units/s, [45] s left", capsys.readouterr().out
    )
    for entry in sweep.entries[2:]:
        os.utime(sweep.file(entry), (0, 0))
    assert sweep.status().rate == 0
    assert sweep.status().seconds_left == np.inf


def test_the_command_from_a_file_to_a_page(
    serial: Sweep, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_toml(Path("weights.toml"), QUICK)
    assert call("sweep", "weights.toml", "--jobs", "1", monkeypatch=monkeypatch) == 0
    (folder,) = Path("runs").glob("weights-sweep-*")
    assert files(qh.read_sweep(folder)) == files(serial)
    assert call("sweep", "collect", str(folder), monkeypatch=monkeypatch) == 0
    argv = ["sweep", "collect", str(folder), "--out", "t.csv"]
    assert call(*argv, monkeypatch=monkeypatch) == 0
    header, *rows = Path("t.csv").read_text().splitlines()
    assert header.startswith("objective.weight,data.seed,init,failed,accuracy,")
    assert len(rows) == 20
    argv = ["sweep", "report", str(folder), "--metric", "brier", "--out", "page.html"]
    assert call(*argv, monkeypatch=monkeypatch) == 0
    page = Path("page.html").read_text()
    assert "10-90 % of brier" in page
    table = page[page.index("Best configurations") :]
    assert table.count("<tr") == 3  # A heading and two weights: a lucky seed is no configuration.
    assert "over initialisations and data.seed" in table
    values = qh.read_sweep(folder).table().groupby("objective.weight")["brier"].median()
    assert f"{values.min():.4f}" in table[: table.index(f"{values.max():.4f}")]
    assert "Over objective.weight" in page
    assert "Over data.seed" not in page  # Seeds are part of the spread.
    capsys.readouterr()
    assert call("report", str(folder), monkeypatch=monkeypatch) == 1
    assert re.search(r"got the sweep .*; use qhypernet sweep report", capsys.readouterr().err)
    assert call("sweep", "--help", monkeypatch=monkeypatch) == 0
    out = capsys.readouterr().out
    for name in ("run", "status", "collect", "report"):
        assert f"\u2502 {name} " in out
        assert call("sweep", name, "--help", monkeypatch=monkeypatch) == 0


def test_cores_are_shared_out(serial: Sweep) -> None:
    units = serial.plan.units(Path.cwd())
    workplace = Workplace(Path.cwd(), Path.cwd(), serial.plan.options)
    cores = joblib.cpu_count()
    for asked in (None, 1, 2, cores, 1000):
        jobs, place = _engines.spread(units, asked, workplace)
        assert asked in (None, jobs)
        assert (place.threads or cores) * min(jobs, cores) <= cores
    assert _engines.spread(units[:1], None, workplace)[0] == 1


def test_no_process_is_started_for_little_work(
    serial: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joblib, "cpu_count", lambda: 4)
    monkeypatch.setattr(_core, "available_memory", lambda: 2**40)
    workplace = Workplace(Path.cwd(), Path.cwd(), serial.plan.options)
    (unit, *_) = serial.plan.units(Path.cwd())
    for seconds, n_units, expected in ((0, 9, 1), (0, 1000, 4), (1, 6, 1), (1, 10, 3), (9, 2, 2)):
        units = [replace(unit, nanoseconds=seconds * 10**9)] * n_units
        jobs, place = _engines.spread(units, None, workplace)
        assert jobs == expected
        assert place.threads == (4 // jobs if jobs > 1 else None)


def test_units_take_about_a_second() -> None:
    config = Plan.parse(SLOW, "test").base
    net = config.build_network(config.load_data())
    config = config.replace({"training.inits": 200, "training.steps": 100, "circuit.layers": 5})
    one = _cost.nanoseconds(config, net)
    assert _cost.nanoseconds(config.replace({"training.steps": 200}), net) == 2 * one
    for values in (
        {},
        {"training.steps": 800},
        {"training.shots": 1000},
        {"circuit.layers": 9},
        {"training.gradient": "spsa", "training.shots": 100},
        {"objective.name": "renyi"},
        {"circuit.layers": 1, "training.steps": 20_000},
    ):
        other = config.replace(values)
        chunk, cost = _cost.chunk(other, net), _cost.nanoseconds(other, net)
        assert chunk < 200
        assert 1e9 <= chunk * cost < 2e9 + cost
    assert _cost.chunk(config.replace({"training.inits": 2}), net) == 2
    assert _cost.chunk(config.replace({"training.steps": 10**6}), net) == 1
    # The paper's starts and steps, which one layer makes a matter of less than a second.
    paper = config.replace({"circuit.layers": 1, "training.inits": 100, "training.steps": 200})
    assert _cost.chunk(paper, net) == 100


def test_data_of_a_file_are_found_from_where_the_sweep_began(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = "\n".join(f"{i % 7},{i % 3},{'yes' if i % 2 else 'no'}" for i in range(30))
    Path("fruit.csv").write_text(f"width,height,ripe\n{rows}\n")
    description = BASE | {
        "data": {"source": "fruit.csv", "target": "ripe"},
        "sweep": {"training.seed": [0, 1, 2]},
    }
    sweep = qh.sweep(description, "o", jobs=1)
    assert sweep.status().done == 3
    Path("below").mkdir()
    monkeypatch.chdir("below")
    assert qh.read_sweep("../o").collect()["trained"].notnull().all()
    monkeypatch.chdir(tmp_path)
    Path("fruit.csv").write_text(f"width,height,ripe\n9,{rows[2:]}\n")
    with pytest.raises(ValueError, match="holds results for other data or of another version"):
        qh.sweep(description, "o", jobs=1)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (None, r"expected a table \[sweep\]"),
        ({}, r"expected values in \[sweep\], as"),
        ({"objective.wieght": [1]}, r"objective.wieght: no such field .did you mean 'weight'"),
        ({"objectiv.weight": [1]}, r"no such section .did you mean 'objective'"),
        ({"chnk": 3}, r"sweep.chnk: no such field .did you mean 'chunk'"),
        ({"objective.weight": []}, r"objective.weight: expected a list of values that differ, got"),
        (
            {"objective.weight": 3},
            r"objective.weight: expected a list of values that differ, got 3",
        ),
        ({"objective.weight": [1, 1]}, r"got 1 twice"),
        ({"circuit.layers": [1, 0]}, r"with circuit.layers = 0: .*circuit.layers: expected"),
        ({"objective.name": ["mle"], "objective.weight": [3]}, r"objective.weight: expected none"),
        ({"circuit.layers": [1], "chunk": 0}, r"sweep.chunk: .* got 0"),
        (
            {"circuit.layers": [1], "history_dtype": "f4"},
            r"sweep.history_dtype: expected .*float32",
        ),
        ({"cases": [3]}, r"sweep.cases: expected tables"),
        ({"cases": [{"circuit.layers": 1}], "circuit.layers": [2]}, r"on an axis or in cases, not"),
        ({"network.hidden": [[40]]}, r"network: expected at most 30 binary weights"),
        ({"data.source": ["mons"]}, r"data: expected one of .*did you mean 'moons'"),
    ],
)
def test_a_description_that_does_not_fit_is_named_and_writes_nothing(
    table: dict[str, object] | None, message: str
) -> None:
    description = BASE if table is None else BASE | {"sweep": table}
    with pytest.raises(ValueError, match=message):
        qh.sweep(description, "o", jobs=1)
    assert not Path("o").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shard": "0/2"}, "shard: expected i/N with i from 1 to N, such as 3/10, got '0/2'"),
        ({"shard": "3/2"}, "shard: expected .* got '3/2'"),
        ({"shard": "half"}, "shard: expected .* got 'half'"),
        ({"shard": "1/2", "dask": "tcp://x"}, "shard: expected none with dask"),
        ({"jobs": 0}, "jobs: expected a whole number of at least 1, got 0"),
        ({"threads": 0}, "threads: expected a whole number"),
    ],
)
def test_a_way_to_work_that_there_is_not(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        qh.sweep(QUICK, "o", **options)
    assert not Path("o").exists()


def test_a_sweep_is_simulated() -> None:
    with pytest.raises(ValueError, match="hardware: expected none: a sweep is simulated"):
        qh.sweep(QUICK | {"hardware": {"backend": "aer"}}, "o", jobs=1)
    assert not Path("o").exists()


def test_this_process_has_its_threads_back(restored_threads: None) -> None:
    qh.set_num_threads(2)
    qh.sweep(QUICK, "o", jobs=1, threads=3)
    assert qh.num_threads() == 2


def test_folders_of_something_else_are_left_alone(serial: Sweep) -> None:
    before = files(serial)
    other = QUICK | {"sweep": SWEEP | {"objective.weight": [1, 3]}}
    message = r"holds another sweep, with sweep.objective.weight = \[1, 30\] .asked for: \[1, 3\]"
    with pytest.raises(ValueError, match=message):
        qh.sweep(other, serial.folder, jobs=1)
    other = QUICK | {"training": {"inits": 6}}
    with pytest.raises(ValueError, match=r"training.inits = 5 .asked for: 6"):
        qh.sweep(other, serial.folder, jobs=1)
    assert files(serial) == before
    Path("full").mkdir()
    Path("full/thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match=r"expected an empty folder or a sweep, got .*full with"):
        qh.sweep(QUICK, "full")
    with pytest.raises(ValueError, match=r"thesis\.tex, which is a file"):
        qh.sweep(QUICK, "full/thesis.tex")
    with pytest.raises(OSError, match="full/thesis"):
        qh.sweep(QUICK, "full/thesis.tex/below")
    assert [path.name for path in Path("full").iterdir()] == ["thesis.tex"]
    for folder, message in (("nowhere", "there is no such folder"), ("full", "holds no sweep")):
        with pytest.raises(ValueError, match=message):
            qh.read_sweep(folder)


def test_a_sweep_without_results_has_nothing_to_collect() -> None:
    sweep = qh.sweep(QUICK, "s", shard="12/12")
    sweep.file(sweep.entries[11]).unlink()
    with pytest.raises(ValueError, match=r"expected a unit that is done in .*, got none yet"):
        sweep.collect()
    assert not Path("s/collected.nc").exists()


def test_a_folder_that_cannot_be_written_ends_the_sweep_with_what_is_done() -> None:
    """A real refusal by the system: files may not grow beyond a limit, as on a full disk."""
    code = (
        "import resource, signal, sys, qhypernet as qh\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))\n"
        "try: qh.sweep('s.toml', 'o', jobs=1)\n"
        "except OSError as error: print(error)"
    )
    write_toml(Path("s.toml"), QUICK)
    done = subprocess.run(
        [sys.executable, "-B", "-c", code], capture_output=True, text=True, check=True
    )
    assert re.search(r"File too large .nothing was changed.*units/", done.stdout)
    assert list(Path("o/units").iterdir()) == []
    assert qh.sweep("s.toml", "o", jobs=1).status().done == 12
