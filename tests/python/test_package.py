"""The package as a whole: stubs, import time, public names."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import qhypernet as qh

ROOT = Path(__file__).parents[2]

# Packages that take a noticeable part of a second to import and that training never needs, and
# those that a run's description and result need, but a plain import does not.
HEAVY = ("dask", "jinja2", "joblib", "matplotlib", "optuna", "qiskit", "scipy", "sklearn")
OF_COMMANDS = ("h5netcdf", "pandas", "pydantic", "typer", "xarray")


def test_the_stub_of_the_core_says_what_the_core_has(tmp_path: Path) -> None:
    # Names and arguments are compared: what the stub imports, NumPy's types, need not be read.
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\nfollow_imports = skip\n")
    command = [sys.executable, "-m", "mypy.stubtest", "qhypernet._core", "--concise"]
    command += ["--mypy-config-file", str(config)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_importing_loads_nothing_heavy() -> None:
    assert _loaded_by("import qhypernet", HEAVY + OF_COMMANDS) == set()


def test_training_from_the_command_line_loads_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    arguments = ["qhypernet", "train", "moons", "--steps", "2", "--out", str(tmp_path / "run")]
    code = f"import sys; sys.argv = {arguments}; from qhypernet.cli import main; main()"
    assert _loaded_by(code, HEAVY + OF_COMMANDS) == set(OF_COMMANDS)


def _loaded_by(code: str, packages: tuple[str, ...]) -> set[str]:
    """Which of the packages are there when a process ends that has run the code."""
    last = f"print('loaded', *(m for m in {packages} if m in sys.modules))"
    whole = f"import atexit, sys; atexit.register(lambda: {last}); {code}"
    done = subprocess.run([sys.executable, "-c", whole], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


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
