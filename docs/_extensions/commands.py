"""The reference of the command line, from the commands themselves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

_PAGE = "reference/commands.md"


def _write(app: Sphinx) -> None:
    command = [sys.executable, "-m", "typer", "qhypernet.cli", "utils", "docs"]
    done = subprocess.run(
        [*command, "--name", "qhypernet", "--title", "Command line"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    page = Path(app.srcdir) / _PAGE
    page.parent.mkdir(exist_ok=True)
    page.write_text(done.stdout)


def setup(app: Sphinx) -> dict[str, Any]:
    """Before the pages are read."""
    app.connect("builder-inited", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
