"""Several processes on one study in a real PostgreSQL."""

from __future__ import annotations

import glob
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import psycopg
import pytest
import tomli_w
from optuna.trial import FrozenTrial, TrialState

import qhypernet as qh
from qhypernet.tuning import _storage

# A trial takes about as long as a process takes to start: nobody does all of them meanwhile.
DESCRIPTION = {
    "data": {"source": "moons", "n_samples": 40},
    "training": {"inits": 50, "steps": 600, "shots": 50},
    "tune": {
        "trials": 10,
        "ranges": {
            "objective.weight": {"low": 1.0, "high": 1000.0, "log": True},
            "training.learning_rate": {"low": 0.01, "high": 1.0, "log": True},
        },
    },
}


def programs() -> Path | None:
    """Where Debian's package puts the server's own programs, or where the path has them."""
    for initdb in (*sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb")), shutil.which("initdb")):
        if initdb is not None:
            return Path(initdb).parent
    return None


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A server with an empty database, for the time of these tests."""
    found = programs()
    if found is None:
        pytest.skip("PostgreSQL's server is not installed (Debian: postgresql)")
    # It refuses to run as root.
    as_user: dict[str, Any] = {"user": "postgres", "group": "postgres"} if not os.getuid() else {}
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    if as_user:
        shutil.chown(folder, "postgres", "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    subprocess.run(
        [found / "initdb", "-D", folder / "db", "-U", "tuner", "-A", "trust", "--no-sync"],
        check=True,
        capture_output=True,
        cwd=folder,
        **as_user,
    )
    server = subprocess.Popen(
        [found / "postgres", "-D", folder / "db", "-k", folder, "-p", str(port), "-F"],
        stderr=subprocess.DEVNULL,
        cwd=folder,
        **as_user,
    )
    address = f"postgresql://tuner@127.0.0.1:{port}/postgres"
    try:
        deadline = time.monotonic() + 60
        while not answers(address):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield address
    finally:
        server.send_signal(signal.SIGINT)  # A fast shutdown.
        server.wait(30)
        shutil.rmtree(folder)


def answers(address: str) -> bool:
    """Whether a server takes connections."""
    try:
        psycopg.connect(address).close()
    except psycopg.OperationalError:
        return False
    return True


def worker(address: str, folder: str) -> subprocess.Popen[bytes]:
    """A process that tunes; the address is not among its arguments, which others can see."""
    code = "from qhypernet.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, "tune", "study.toml", "--out", folder],
        env={**os.environ, "QHYPERNET_STORAGE": address},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def finish(*processes: subprocess.Popen[bytes]) -> None:
    """Waits for all to succeed."""
    for process in processes:
        out, _ = process.communicate(timeout=300)
        assert process.returncode == 0, out


def under_way(address: str, folder: str) -> list[FrozenTrial]:
    """Trials that a folder's process is at, with their values."""
    try:
        trials = qh.read_study(folder, address).optuna.get_trials(states=(TrialState.RUNNING,))
    except ValueError:  # Not begun yet.
        return []
    ours = f"{os.sep}{folder}"
    return [t for t in trials if t.params and t.user_attrs["worker"].endswith(ours)]


def test_processes_share_a_study_and_one_that_is_killed_comes_back(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("study.toml").write_text(tomli_w.dumps(DESCRIPTION))
    # Two folders, as on two machines.
    staying, killed = worker(address, "here"), worker(address, "there")

    deadline = time.monotonic() + 300
    while not Path("there/study.toml").exists():
        time.sleep(0.1)
        assert time.monotonic() < deadline
    while not (left := under_way(address, "there")):
        assert time.monotonic() < deadline
        assert killed.poll() is None
    killed.kill()
    killed.communicate()
    finish(staying, worker(address, "there"))

    study = qh.read_study("here", address)
    # A process that began its trial before the last was taken ends it: at most one more for each.
    assert 10 <= len(study.trials) <= 11
    assert [trial.number for trial in study.trials] == list(range(len(study.trials)))
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    assert len({tuple(trial.params.values()) for trial in study.trials}) == len(study.trials)
    workers = {trial.user_attrs["worker"] for trial in study.trials}
    assert sorted(name.rpartition("/")[2] for name in workers) == ["here", "there"]
    by_number = {trial.number: trial for trial in study.trials}
    for trial in left:  # Not lost, and not proposed anew.
        assert trial.params.items() <= by_number[trial.number].params.items()
    # Who ended before the last trial did may have missed the best; it has only to be asked again.
    finish(worker(address, "here"), worker(address, "there"))
    assert Path("here/best.toml").read_text() == Path("there/best.toml").read_text()
    assert not list(Path("here").glob("journal*"))


def test_processes_that_begin_at_once_make_the_tables_together(address: str) -> None:
    """A database is empty only once, and those who find it so run into each other."""
    server, _, _ = address.rpartition("/")
    for name in ("first", "second", "third"):
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        with ThreadPoolExecutor(6) as pool:
            ready = Barrier(6)

            def connect(_: int, ready: Barrier = ready, name: str = name) -> list[Any]:
                ready.wait()
                return _storage.connect(Path(), f"{server}/{name}").get_all_studies()

            assert list(pool.map(connect, range(6))) == [[]] * 6


def test_a_name_in_a_database_belongs_to_one_search_space(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def named(**tune: Any) -> dict[str, Any]:
        return DESCRIPTION | {"tune": DESCRIPTION["tune"] | {"name": "mine", "trials": 1} | tune}

    qh.tune(named(), "s", storage=address)
    with pytest.raises(ValueError, match=r"mine already holds another one, with tune.seed = 0 .*8"):
        qh.tune(named(seed=8), "t", storage=address)
    assert not Path("t").exists()
    with pytest.raises(ValueError, match="expected the address of the trials of s"):
        qh.read_study("s")
    with pytest.raises(ValueError, match="the trials of s are kept elsewhere: give their address"):
        qh.tune(named(), "s")
    assert len(qh.read_study("s", address).trials) == 1
