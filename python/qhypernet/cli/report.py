"""``qhypernet report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qhypernet import runs
from qhypernet.sweeps import is_sweep
from qhypernet.tuning import is_study, read_study


def report(
    folder: Annotated[Path, typer.Argument(help="Folder of a finished run, or of a study.")],
    out: Annotated[
        Path | None, typer.Option(help="Where to write the page [default: FOLDER/report.html].")
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            help="Database that holds the study's trials [default: the folder].",
            envvar="QHYPERNET_STORAGE",
        ),
    ] = None,
) -> None:
    """Write the report of a run or a study: one self-contained HTML page.

    Of a run it shows what was run, training curves, the distribution over networks beside the exact
    posterior, predictions with their uncertainty, and all metrics with their ground truth. Of a
    study of qhypernet tune it shows the best settings, all trials, and how much each setting
    matters.
    """
    path = out or folder / "report.html"
    if is_sweep(folder):
        raise ValueError(
            f"folder: expected a run or a study, got the sweep {folder}; use qhypernet sweep report"
        )
    if is_study(folder):
        from qhypernet.report.study import write_study_report

        write_study_report(read_study(folder, storage), path)
    else:
        from qhypernet.report import write_report

        write_report(runs.read(folder), path)
    typer.echo(f"report: {path}")
