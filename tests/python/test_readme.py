"""What the README shows is what happens."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_python_example_reaches_what_it_promises(capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = blocks("python")
    exec(compile(code, "README.md", "exec"), {})
    accuracy, distance = map(float, capsys.readouterr().out.split())
    # Moons' exact posterior is right for about 0.84 of the test points; annealed, the circuit of 4
    # layers comes within a fraction of a nat of it.
    assert accuracy > 0.8
    assert distance < 1


def test_the_scikit_learn_example_tells_tumours_apart(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _, code = blocks("python")
    exec(compile(code, "README.md", "exec"), {})
    # 63 % of the tumours are benign.
    assert float(capsys.readouterr().out) > 0.85
    assert (tmp_path / "reliability.png").stat().st_size > 1000


def test_the_example_of_export_writes_what_compiles(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "export.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    (commands,) = re.findall(r"```sh\n(.*?)```", page, flags=re.DOTALL)
    exec(compile(code, "docs/export.md", "exec"), {})
    networks, size = map(int, re.findall(r"\d+", capsys.readouterr().out))
    # As the table has it, for its first model; on another processor's rounding a network or two of
    # 1000 draws may be others.
    stated, bytes_stated = map(int, re.findall(r"\| \| (\d+) \| (\d+) \|", page)[0])
    assert abs(networks - stated) <= 3
    assert abs(size - bytes_stated) <= 3 * 12
    (tmp_path / "features.txt").write_text("0.5 1.0\n-1.2 0.3\n")
    done = subprocess.run(
        ["sh", "-e", "-c", commands], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert len(done.stdout.splitlines()) == 4
    assert done.stderr.endswith("ns a prediction\n")


def test_the_commands_exist(tmp_path: Path) -> None:
    lines = [line.split("#")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    assert "make demo" in lines
    makefile = (ROOT / "Makefile").read_text()
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for line in lines:
        program, verb, *arguments = shlex.split(line)
        if program == "pip":
            name, extra = re.fullmatch(r"(\w+)(?:\[(\w+)\])?", arguments[0]).groups()
            assert (verb, name) == ("install", metadata["name"])
            assert extra is None or extra in metadata["optional-dependencies"]
            continue
        if program == "make":
            assert f"\n{verb}:" in makefile
            continue
        assert program == "qhypernet"
        verbs = [verb, arguments[0]] if verb == "hardware" else [verb]
        code = "from qhypernet.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", code, *verbs, "--help"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=True,
            env={"COLUMNS": "200", "PATH": ""},
        )
        for option in (word for word in arguments if word.startswith("--")):
            assert f"{option} " in done.stdout


def test_links_inside_the_repository_resolve() -> None:
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), (page, target)


def test_the_recipe_of_the_docs_reaches_the_posterior(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "reproduction" / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    exec(compile(code, "docs/reproduction/README.md", "exec"), {})
    distances = [float(word) for word in capsys.readouterr().out.strip("[]\n").split()]
    assert len(distances) == 2
    assert max(distances) < 0.01
