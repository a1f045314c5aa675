"""The site is built without a warning, has every public name, and no link leads nowhere."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import pytest
from typer.main import get_command

import qhypernet as qh
from qhypernet import cli

INK = "#1f2933"
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as ``make docs`` does; every cell of every page is run."""
    folder = tmp_path_factory.mktemp("docs") / "html"
    options = ["--fail-on-warning", "--nitpicky", "--keep-going", "--quiet"]
    command = [sys.executable, "-m", "sphinx", *options, DOCS, folder]
    # Cells are run elsewhere, and are to find the package that is tested.
    env = os.environ | {"PYTHONPATH": str(Path(qh.__file__).parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def documented(site: Path) -> set[str]:
    """The names that the reference has, from the site's inventory."""
    packed = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    lines = zlib.decompress(packed).decode().splitlines()
    return {line.split()[0] for line in lines if line.split()[1].startswith("py:")}


def public_modules() -> Iterator[ModuleType]:
    yield qh
    for found in pkgutil.walk_packages(qh.__path__, "qhypernet."):
        if not any(part.startswith("_") for part in found.name.split(".")):
            module = importlib.import_module(found.name)
            if hasattr(module, "__all__"):
                yield module


def look_up(name: str) -> object:
    """What a documented name stands for; a module may have the name of a function."""
    module, _, last = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), last)
    except (ImportError, AttributeError, ValueError):
        return None


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    names = documented(site)
    objects = {id(value) for value in map(look_up, names) if value is not None}
    missing = [
        f"{module.__name__}.{name}"
        for module in public_modules()
        for name in module.__all__
        if f"{module.__name__}.{name}" not in names and id(getattr(module, name)) not in objects
    ]
    assert missing == []
    assert len(names) > 300


def test_every_command_and_option_is_in_the_reference(site: Path) -> None:
    page = (site / "reference" / "commands.html").read_text()
    found = 0

    def look(command: object, path: str) -> None:
        nonlocal found
        assert f">{path}</span>" in page.replace('</span> <span class="pre">', " "), path
        for parameter in command.params:  # type: ignore[attr-defined]
            for option in parameter.opts:
                if option.startswith("--"):
                    assert option in page, (path, option)
                    found += 1
        for name, inner in getattr(command, "commands", {}).items():
            look(inner, f"{path} {name}")

    look(get_command(cli.app), "qhypernet")
    assert found > 50


class Page(HTMLParser):
    """What a page leads to, and what on it can be led to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.targets += [found[key] for key in ("href", "src") if found.get(key)]  # type: ignore[misc]
        self.places |= {found[key] for key in ("id", "name") if found.get(key)}  # type: ignore[misc]


def test_every_link_inside_resolves(site: Path) -> None:
    page_at = cache(Page)
    found = 0
    for path in site.rglob("*.html"):
        for target in page_at(path).targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            place = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert place.exists(), (path, target)
            if parts.fragment and place.suffix == ".html":
                assert unquote(parts.fragment) in page_at(place).places, (path, target)
            found += 1
    assert found > 1000


def test_no_cell_of_a_page_warns(site: Path) -> None:
    for path in site.rglob("*.html"):
        assert 'class="output stderr' not in path.read_text(), path


def test_nothing_is_fetched_to_read_a_page(site: Path) -> None:
    for path in site.rglob("*.html"):
        text = path.read_text()
        assert 'src="http' not in text, path
        assert 'rel="stylesheet" type="text/css" href="http' not in text, path


def test_figures_have_light_ink_on_a_dark_page(site: Path) -> None:
    text = (site / "gallery.html").read_text()
    assert text.count("only-dark") == text.count("only-light") > 10
    light = {path for path in (site / "_images").glob("*.svg") if INK in path.read_text()}
    dark = set((site / "_images").glob("*-dark.svg"))
    assert len(dark) > 10
    assert not light & dark


# A page in a frame as wide as a phone, and how wide it would like to be.
FRAME = """<!doctype html><iframe id="f" src="{page}" width="390" height="844" frameborder="0">
</iframe><script>
f.onload = () => {{
  const root = f.contentDocument.documentElement;
  document.title = `width ${{root.scrollWidth}} of ${{root.clientWidth}}`;
}};
</script>"""


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or "chromium"


@pytest.mark.skipif(shutil.which(BROWSER) is None, reason="needs the browser chromium")
def test_no_page_is_wider_than_a_phone(site: Path, tmp_path: Path) -> None:
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    for page in ("index", "start", "gallery", "performance", "reference/training"):
        frame = tmp_path / "frame.html"
        frame.write_text(FRAME.format(page=(site / f"{page}.html").as_uri()))
        command = [BROWSER, *options, profile, "--virtual-time-budget=10000", "--dump-dom"]
        done = subprocess.run(
            [*command, frame.as_uri()], capture_output=True, text=True, timeout=120, check=True
        )
        found = re.search(r"<title>width (\d+) of (\d+)", done.stdout)
        assert found is not None, done.stdout
        # The scroll bar takes some of the 390 pixels.
        assert int(found[1]) == int(found[2]) > 360, page
