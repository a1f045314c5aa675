"""The package as a whole: stubs, import time, public names."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import qhypernet as qh

ROOT = Path(__file__).parents[2]

# Packages that take a noticeable part of a second to import, or that a plain import never needs.
HEAVY = ("matplotlib", "optuna", "pandas", "pydantic", "scipy", "sklearn", "typer", "xarray")


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


def test_there_is_one_version() -> None:
    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]
    members = [
        tomllib.loads((ROOT / name / "Cargo.toml").read_text()) for name in workspace["members"]
    ]
    assert all(member["package"]["version"] == {"workspace": True} for member in members)
    changes = re.findall(r"^## \[(\d.*?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    cited = re.findall(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert [qh.__version__] == [workspace["package"]["version"]] == changes[:1] == cited
