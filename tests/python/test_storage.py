"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from qhypernet import storage


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    dataset = xr.Dataset(
        {"a": (("init", "step"), np.arange(6.0).reshape(2, 3))},
        attrs={"seed": "18446744073709551615"},
    )
    storage.write_dataset(tmp_path / "x.nc", dataset)
    xr.testing.assert_identical(storage.read_dataset(tmp_path / "x.nc"), dataset)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "x"
    storage.write_text(target, "old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left .*nothing was changed.*x'") as error:
        storage.write_text(target, "new")
    assert error.value.errno == errno.ENOSPC
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["x"]


def test_a_file_that_outgrows_its_limit_is_an_error_and_not_half_a_file(tmp_path: Path) -> None:
    """A real refusal by the system, as of a full disk, in a process of its own."""
    code = (
        "import sys; from qhypernet import storage\n"
        "try: storage.write_bytes(sys.argv[1], bytes(100_000))\n"
        "except OSError as error: print(error)"
    )

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    done = subprocess.run(
        [sys.executable, "-B", "-c", code, tmp_path / "x"],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=limit,
    )
    assert "File too large (nothing was changed)" in done.stdout
    assert os.listdir(tmp_path) == []


def test_files_are_as_readable_as_others(tmp_path: Path) -> None:
    storage.write_text(tmp_path / "x", "")
    (tmp_path / "y").touch()
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "y").stat().st_mode


def test_damaged_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.nc"
    with pytest.raises(FileNotFoundError, match=r"x\.nc: no such file"):
        storage.read_dataset(path)
    dataset = xr.Dataset({"a": (("init",), np.arange(1000.0))})
    storage.write_dataset(path, dataset)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ValueError, match=r"x\.nc: expected a result file"):
        storage.read_dataset(path)


def test_only_files_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=r"not a file that can be replaced.*folder"):
        storage.write_text(tmp_path / "folder", "")
    with pytest.raises(OSError, match=r"not a file that can be replaced.*null"):
        storage.write_text("/dev/null", "")
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    storage.write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
