"""The package as a whole: stubs, import time, public names."""

from __future__ import annotations

import subprocess
import sys

import qhypernet as qh

# Packages that take a noticeable part of a second to import, or that a plain import never needs.
HEAVY = ("matplotlib", "pandas", "pydantic", "sklearn", "typer", "xarray")


def test_the_stub_of_the_core_says_what_the_core_has() -> None:
    command = [sys.executable, "-m", "mypy.stubtest", "qhypernet._core", "--concise"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_importing_loads_nothing_heavy() -> None:
    code = f"import sys, qhypernet; print([m for m in {HEAVY} if m in sys.modules])"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_exist_and_have_documentation() -> None:
    for name in qh.__all__:
        assert name == "__version__" or getattr(qh, name).__doc__, name
