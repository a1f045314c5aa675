"""Installs what is in dist/ into empty environments, and tries it there outside the source tree.

python tests/wheel/environments.py dist                           # every Python here, every extra
python tests/wheel/environments.py dist --python 3.13 --extras none
python tests/wheel/environments.py dist --extras ibm,mitigation gp

The wheel is tried without extras and with each; the source distribution, which is built on the
way, without. "all" leaves out gp, whose PyTorch takes gigabytes. Needs uv, which gets a Python that
is named and not here, where it may.
"""

from __future__ import annotations

import argparse
import email
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

SMOKE = Path(__file__).with_name("smoke.py").resolve()
UV = [sys.executable, "-m", "uv"]
FOR_DEVELOPERS = {"bench", "dev", "docs"}
LARGE = {"gp"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dist", type=Path)
    parser.add_argument("--python", nargs="+", metavar="VERSION")
    parser.add_argument("--extras", nargs="+", default=["all"], metavar="NAMES")
    options = parser.parse_args()
    for python in options.python or pythons():
        for path in sorted(options.dist.resolve().glob("qhypernet-*")):
            wheel = path.suffix == ".whl"
            for extras in ["", *(chosen(path, options.extras) if wheel else [])]:
                attempt(python, path, extras)


def pythons() -> list[str]:
    """The newest of each CPython 3.11 or later on this machine."""
    listed = subprocess.run(
        [*UV, "python", "list", "--only-installed", "--output-format", "json"],
        capture_output=True,
        check=True,
    )
    newest: dict[tuple[int, int], str] = {}
    for found in json.loads(listed.stdout):
        parts = found["version_parts"]
        minor = parts["major"], parts["minor"]
        if found["implementation"] == "cpython" and minor >= (3, 11):
            newest.setdefault(minor, found["path"])
    return [newest[minor] for minor in sorted(newest)]


def chosen(wheel: Path, names: list[str]) -> list[str]:
    """Extras to try, several of which go together as "ibm,mitigation"."""
    if names == ["none"]:
        return []
    if names != ["all"]:
        return names
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    return sorted({*metadata.get_all("Provides-Extra", [])} - FOR_DEVELOPERS - LARGE)


def attempt(python: str, path: Path, extras: str) -> None:
    """Makes an empty environment, installs, and runs the smoke test elsewhere."""
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder, "environment")
        inside = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
        call = [*UV, "venv", "--quiet", "--python", python, str(environment)]
        subprocess.run(call, cwd=folder, check=True)
        requirement = f"qhypernet[{extras}] @ {path.as_uri()}" if extras else str(path)
        install = [*UV, "pip", "install", "--quiet"]
        subprocess.run([*install, "--python", str(inside), requirement], cwd=folder, check=True)
        # Isolated: neither this folder nor PYTHONPATH can lend what was not installed.
        smoke = [str(inside), "-I", str(SMOKE), *filter(None, extras.split(","))]
        subprocess.run(smoke, cwd=folder, check=True)
        version = subprocess.run([str(inside), "-V"], capture_output=True, text=True, check=True)
    what = f"{path.name}{f' with {extras}' if extras else ''}"
    print(f"ok: {what} in {version.stdout.strip()}, {time.monotonic() - begin:.0f} s", flush=True)


if __name__ == "__main__":
    main()
