"""Where peers live: beside qhypernet, or, where their requirements clash with its, on their own.

python benches/_environments.py     installs what is missing; what cannot be is left out
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".bench"
# What a peer needs that cannot be installed beside qhypernet[dev,bench], and why.
OWN = {
    "mindquantum": ("mindquantum>=0.12", "it wants rich 10.9, qhypernet a newer one"),
    "qiskit_machine_learning": (
        "qiskit-machine-learning>=0.8 qiskit-aer>=0.18 qiskit-ibm-runtime>=0.51",
        "it holds Qiskit back",
    ),
}
# Others are tried where the interpreter at hand has no wheel of the peer.
PYTHONS = (sys.executable, "python3.13", "python3.12", "python3.11")


def python_of(peer: str) -> str:
    """The interpreter that runs this peer: its own, if it has one."""
    return str(_python_in(FOLDER / peer)) if peer in OWN else sys.executable


def main() -> None:
    """Installs the extra "bench" here, and makes the environments that are missing."""
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text())
    requirements = metadata["project"]["optional-dependencies"]["bench"]
    # All at once, so that their own requirements agree; else those that can be.
    if not _installed(sys.executable, *requirements):
        for requirement in requirements:
            if not _installed(sys.executable, requirement):
                print(f"{requirement} cannot be installed here: compared without it")
    for peer, (requirement, reason) in OWN.items():
        folder = FOLDER / peer
        if _python_in(folder).exists():
            continue
        print(f"{peer} gets an environment of its own, {folder.relative_to(ROOT)}: {reason}")
        if not any(_made(folder, python, requirement) for python in PYTHONS):
            print(f"{requirement} cannot be installed here: compared without it")


def _python_in(folder: Path) -> Path:
    return folder / "bin" / "python"


def _made(folder: Path, python: str, requirement: str) -> bool:
    if shutil.which(python) is None:
        return False
    if _done([python, "-m", "venv", "--clear", str(folder)]):
        if _installed(str(_python_in(folder)), "numpy", *requirement.split()):
            return True
        shutil.rmtree(folder, ignore_errors=True)
    return False


def _installed(python: str, *requirements: str) -> bool:
    options = ["--quiet", "--disable-pip-version-check"]
    return _done([python, "-m", "pip", "install", *options, *requirements])


def _done(command: list[str]) -> bool:
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        print((result.stderr or result.stdout).strip().rpartition("\n")[2])
    return result.returncode == 0


if __name__ == "__main__":
    main()
