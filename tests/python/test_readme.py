"""What the README and the plain pages of the docs show is what happens.

Pages with cells are run when the site is built: test_docs.py.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from qhypernet import cli
from qhypernet.config import RunConfig
from qhypernet.sweeps._plan import Plan
from qhypernet.tuning._config import TuneConfig

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
FENCE = re.compile(r"^```(\S*)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)


def markdown() -> list[Path]:
    """Every page of the repository that is kept."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [ROOT / name for name in listed.stdout.splitlines()]


def is_run_when_built(page: Path) -> bool:
    return page.read_text().startswith("---\n") and "kernelspec" in page.read_text()


PAGES = [p for p in markdown() if ROOT / "docs" in p.parents or p in (README, ROOT / "benches")]
PLAIN = [page for page in PAGES if not is_run_when_built(page)]


def blocks(language: str, page: Path = README) -> list[str]:
    """The code blocks of a language."""
    return [text for name, text in FENCE.findall(page.read_text()) if name == language]


def lines(page: Path) -> Iterator[str]:
    """The commands of a page, one a line, without comments."""
    for block in blocks("sh", page):
        for line in block.replace("\\\n", " ").splitlines():
            if line.split("#")[0].strip():
                yield line.split("#")[0].strip()


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


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
    path = ROOT / "docs" / "export.md"
    (code,), (commands,), page = blocks("python", path), blocks("sh", path), path.read_text()
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


def test_the_recipe_of_the_docs_reaches_the_posterior(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = blocks("python", ROOT / "docs" / "reproduction" / "README.md")
    exec(compile(code, "docs/reproduction/README.md", "exec"), {})
    distances = [float(word) for word in capsys.readouterr().out.strip("[]\n").split()]
    assert len(distances) == 2
    assert max(distances) < 0.01


def test_the_example_on_samplers_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("python", ROOT / "docs" / "hardware.md")
    names: dict[str, object] = {}
    exec(compile(code, "docs/hardware.md", "exec"), names)
    assert (tmp_path / "run.nc").is_file()


ABOVE = {"README.md", "docs/export.md", "docs/hardware.md", "docs/reproduction/README.md"}


@pytest.mark.parametrize(
    "page", [p for p in PAGES if blocks("python", p) and name(p) not in ABOVE], ids=name
)
def test_python_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a page one after the other, in one session."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for code in blocks("python", page):
        exec(compile(code, name(page), "exec"), names)


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    for page in PLAIN:
        for language, _ in FENCE.findall(page.read_text()):
            known = language in ("", "python", "sh", "toml") or language.startswith("{")
            assert known, (page, language)


@pytest.mark.parametrize(
    "page", [p for p in PAGES if blocks("sh", p) and name(p) != "docs/export.md"], ids=name
)
def test_commands_are_taken(page: Path) -> None:
    """Those of the page on export are run, above."""
    makefile = (ROOT / "Makefile").read_text()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for line in lines(page):
        program, *words = shlex.split(line)
        if program == "qhypernet":
            take(get_command(cli.app), words)
        elif program == "make":
            assert f"\n{words[0]}:" in makefile
        elif program == "pip":
            for group in re.findall(r"qhypernet\[(.*?)\]", line):
                assert set(group.split(",")) <= set(extras["optional-dependencies"]), line
        elif program == "python":
            assert (ROOT / words[0]).is_file()
        else:
            assert program == "optuna-dashboard", line


def take(command: object, words: list[str]) -> None:
    """Lets a command parse its arguments, and those of its commands, without running it."""
    with command.make_context("", list(words)) as context:  # type: ignore[attr-defined]
        rest = [*getattr(context, "_protected_args", []), *context.args]
        if hasattr(command, "resolve_command") and rest:
            _, inner, words = command.resolve_command(context, rest)
            take(inner, words)


def test_take_refuses_what_does_not_exist() -> None:
    with pytest.raises(Exception, match="No such option"):
        take(get_command(cli.app), ["train", "moons", "--no-such-option"])


def test_descriptions_are_read() -> None:
    kinds = {"tune": TuneConfig, "sweep": Plan}
    found = 0
    for page in PLAIN:
        for block in blocks("toml", page):
            content = tomllib.loads(block)
            (kind,) = {*kinds} & {*content} or {"run"}
            kinds.get(kind, RunConfig).parse(content, name(page))  # type: ignore[attr-defined]
            found += 1
    assert found >= 2


def anchors(page: Path) -> set[str]:
    """What code hosts call a page's headings."""
    headings = re.findall(r"^#+ +(.*)$", FENCE.sub("", page.read_text()), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", markdown(), ids=name)
def test_links_inside_the_repository_resolve(page: Path) -> None:
    text = FENCE.sub("", page.read_text())
    for target in re.findall(r"\]\(((?!\w+:)[^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        place = (page.parent / path) if path else page
        # The reference is written when the site is built, and looked at in test_docs.py.
        if ROOT / "docs" / "reference" in Path(os.path.normpath(place)).parents:
            continue
        assert place.exists(), (page, target)
        if anchor:
            assert anchor in anchors(place), (page, target)
