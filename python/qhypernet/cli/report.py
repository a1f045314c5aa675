"""``qhypernet report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qhypernet import runs


def report(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    out: Annotated[
        Path | None, typer.Option(help="Where to write the page [default: RUN/report.html].")
    ] = None,
) -> None:
    """Write a run's report: one self-contained HTML page.

    It shows what was run, training curves, the distribution over networks beside the exact
    posterior, predictions with their uncertainty, and all metrics with their ground truth.
    """
    from qhypernet.report import write_report

    path = write_report(runs.read(run), out or run / "report.html")
    typer.echo(f"report: {path}")
