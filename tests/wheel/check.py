"""Checks what is in dist/ before anybody gets it: tags, size, contents, metadata, ABI.

python tests/wheel/check.py dist

Needs twine and abi3audit. The tag says which glibc the wheel needs; maturin checks that against the
symbols that the library links to, and refuses to build one that is not true.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
LARGEST = 5_000_000  # bytes
PLATFORMS = ("manylinux", "macosx", "win")
IN_SOURCE = ("Cargo.lock", "LICENSE", "README.md", "pyproject.toml", "rust/core/src/lib.rs")


def main(dist: Path) -> None:
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    files = sorted(dist.iterdir())
    assert files, f"{dist} is empty"
    for path in files:
        assert path.name.startswith(f"qhypernet-{version}"), path.name
        (check_wheel if path.suffix == ".whl" else check_source)(path)
        print(f"ok: {path.name}, {path.stat().st_size / 1e6:.2f} MB")
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *files], check=True)


def check_wheel(path: Path) -> None:
    """One wheel for every Python from 3.11 on, without what does not belong to it."""
    size = path.stat().st_size
    assert size < LARGEST, f"{path.name} has {size:,} bytes, the most is {LARGEST:,}"
    _, _, python, abi, platform = path.stem.split("-")
    assert (python, abi) == ("cp311", "abi3"), path.name
    assert platform.startswith(PLATFORMS), f"{path.name} is for the machine it was built on"
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
    libraries = [name for name in names if name.endswith((".so", ".pyd", ".dll", ".dylib"))]
    assert len(libraries) == 1, libraries
    tops = {name.partition("/")[0] for name in names}
    assert tops - {"qhypernet"} == {next(t for t in tops if t.endswith(".dist-info"))}, tops
    assert not [name for name in names if "__pycache__" in name]
    audit = [sys.executable, "-m", "abi3audit", "--strict", "--report", str(path)]
    subprocess.run(audit, check=True, stdout=subprocess.DEVNULL)


def check_source(path: Path) -> None:
    """All that is needed to build, and nothing that was built."""
    with tarfile.open(path) as source:
        names = {name.partition("/")[2] for name in source.getnames()}
    missing = set(IN_SOURCE) - names
    assert not missing, missing
    built = [name for name in names if name.endswith((".so", ".pyd", ".pyc")) or "target/" in name]
    assert not built, built


if __name__ == "__main__":
    main(Path(sys.argv[1]))
