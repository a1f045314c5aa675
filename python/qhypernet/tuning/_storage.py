"""Where a study's trials are kept: a journal in its folder, or a database."""

from __future__ import annotations

import importlib.util
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows has none.
    fcntl = None  # type: ignore[assignment]

from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState

_JOURNAL, _LOCK = "journal.log", ".lock"
FILES = {_JOURNAL, _LOCK}
WORKER = "worker"
"""What a trial says about who runs it, so that it can be put back."""

_ATTEMPTS, _SECONDS_BETWEEN = 20, 0.1
"""To find the tables that others are making."""

_DRIVERS = {
    "postgresql": ("postgresql+psycopg", "psycopg", "postgresql"),
    "mysql": ("mysql+pymysql", "pymysql", "mysql"),
}
"""For each kind of address: with its driver, the driver's package, and our extra."""


def has_journal(folder: Path) -> bool:
    """Whether a folder holds its study's trials itself."""
    return (folder / _JOURNAL).is_file()


def connect(folder: Path, url: str | None) -> BaseStorage:
    """The storage at an address such as ``postgresql://user@host/name``, or the folder's journal.

    Raises:
        ValueError: The address is none, its driver is missing, or nothing answers there.
    """
    if url is None:
        journal = str(folder / _JOURNAL)
        # Optuna locks by a symbolic link, which few may make on Windows.
        lock = JournalFileOpenLock(journal) if fcntl is None else None
        return JournalStorage(JournalFileBackend(journal, lock))
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    try:
        address = make_url(url)
    except ArgumentError:
        raise ValueError(
            "storage: expected an address such as postgresql://user@host/name, got one that is not "
            "of this form"
        ) from None
    if address.drivername in _DRIVERS:
        drivername, package, extra = _DRIVERS[address.drivername]
        if importlib.util.find_spec(package) is None:
            raise ValueError(
                f"storage: expected {package} to be installed for {address.drivername}; "
                f"get it with: pip install 'qhypernet[{extra}]'"
            )
        address = address.set(drivername=drivername)
    text = address.render_as_string(hide_password=False)
    try:
        return _tables(text)
    except (SQLAlchemyError, ImportError, OSError) as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise ValueError(f"storage: cannot reach {address!r}: {reason}") from None


def _tables(url: str) -> RDBStorage:
    """A database with Optuna's tables in it."""
    from sqlalchemy.exc import DBAPIError, IntegrityError
    from sqlalchemy.pool import NullPool

    # Nothing stays connected during a trial: a database has fewer places than a cluster workers.
    options = {"poolclass": NullPool}
    for _ in range(_ATTEMPTS):
        try:
            return RDBStorage(url, engine_kwargs=options)
        except DBAPIError as error:
            # Another process has made one of them between our look and our making it: once for
            # each step of the way, for each process.
            if not (isinstance(error, IntegrityError) or "already exists" in str(error.orig)):
                raise
        time.sleep(_SECONDS_BETWEEN)
    return RDBStorage(url, engine_kwargs=options)


@contextmanager
def in_use(folder: Path, url: str | None, name: str) -> Iterator[BaseStorage]:
    """Marks a folder as in use, and gives its study's storage.

    The mark goes with the process, however it ends. Whoever is alone with a folder mends its
    journal and puts trials back that a process before it has begun and will not end. Without such
    marks, on Windows, every process takes itself to be alone.
    """
    with (folder / _LOCK).open("ab") as file:
        if _alone(file):
            _mend(folder / _JOURNAL)
            storage = connect(folder, url)
            _put_back(storage, name, folder)
        else:
            storage = connect(folder, url)
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_SH)
        yield storage


def _alone(file: IO[bytes]) -> bool:
    """Whether no other process has marked the folder, which this one keeps for itself till then."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        # Whoever mends the folder is waited for.
        fcntl.flock(file, fcntl.LOCK_SH)
        return False
    return True


def put_back(storage: BaseStorage, trial_id: int) -> None:
    """Makes a trial that has begun the next one to run, with its number and its values."""
    storage.set_trial_state_values(trial_id, TrialState.WAITING)


def _put_back(storage: BaseStorage, name: str, folder: Path) -> None:
    for study in storage.get_all_studies():
        if study.study_name == name:
            running = storage.get_all_trials(study._study_id, states=(TrialState.RUNNING,))
            for trial in running:
                if has_journal(folder) or trial.user_attrs.get(WORKER) == worker(folder):
                    put_back(storage, trial._trial_id)


def worker(folder: Path) -> str:
    """Who runs trials: this folder on this machine."""
    return f"{socket.gethostname()}:{folder.resolve()}"


def _mend(journal: Path) -> None:
    """Removes what a process that was killed while it wrote has left."""
    journal.with_name(f"{journal.name}.lock").unlink(missing_ok=True)
    if journal.is_file():
        content = journal.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with journal.open("r+b") as file:
                file.truncate(whole)
