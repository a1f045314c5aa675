"""``qhypernet reproduce``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from qhypernet import _check
from qhypernet.training import Interrupted


def reproduce(
    names: Annotated[
        list[str] | None, typer.Argument(help="Which experiments, or all; see --list.")
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="List the experiments.")] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer initialisations and settings: minutes.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for figures, tables and runs.")] = Path(
        "reproduction"
    ),
) -> None:
    """Reproduce the paper's figures and tables, and what goes beyond them.

    Each experiment writes figures, a CSV file and a short text of what it shows, and all together
    a page, report.html. What was interrupted goes on with the same command: no run is done twice.

    Examples:

        qhypernet reproduce --list

        qhypernet reproduce fig3 fig4 --quick

        qhypernet reproduce all
    """
    from qhypernet.experiments import EXPERIMENTS, Work, write, write_index
    from qhypernet.experiments._output import Made

    console = Console(highlight=False, soft_wrap=True)
    if show:
        table = Table(box=SIMPLE_HEAD)
        table.add_column("name")
        table.add_column("what it does")
        for name, experiment in EXPERIMENTS.items():
            table.add_row(name, experiment.about)
        console.print(table)
        return
    if not names:
        raise ValueError(f"names: expected all or some of {', '.join(EXPERIMENTS)}, got none")
    if names != ["all"]:
        names = [_check.choice("names", name, EXPERIMENTS) for name in names]
    began = time.monotonic()

    def say(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:6.0f} s[/]  {line}", markup=True)

    found = {}
    for name in EXPERIMENTS if names == ["all"] else names:
        experiment = EXPERIMENTS[name]
        console.print(f"[bold]{name}[/]: {experiment.title}")
        work = Work(out / ("quick" if quick else "full"), quick, say)
        try:
            findings = experiment.run(work)
        except Interrupted as stop:
            typer.echo(f"Interrupted: {stop}", err=True)
            raise typer.Exit(130) from None
        command = f"qhypernet reproduce {name}" + " --quick" * quick
        made = Made(command, work.seconds)
        write(experiment, findings, made, work.folder)
        found[name] = (experiment, findings, made)
    kind = "quick version: few initialisations" if quick else "full version"
    page = write_index(found, work.folder, kind)
    console.print(f"figures, tables and texts: {work.folder}")
    console.print(f"page: {page}")
