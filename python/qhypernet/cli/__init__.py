"""The command ``qhypernet``."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from qhypernet.cli import export, hardware, info, report, reproduce, sweep, train, tune

app = typer.Typer(
    name="qhypernet",
    help="Train binary neural networks with quantum circuits, the Bayesian way.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command("train")(train.train)
app.add_typer(sweep.app, name="sweep")
app.command("tune")(tune.tune)
app.command("report")(report.report)
app.command("reproduce")(reproduce.reproduce)
app.command("export")(export.export)
app.add_typer(hardware.app, name="hardware")
app.command("info")(info.info)


def main() -> None:
    """Runs the command; an error that the user can mend is one line, not a traceback."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        app(prog_name="qhypernet")
    except (
        ValueError,
        TypeError,
        ArithmeticError,
        MemoryError,
        OSError,
        RuntimeError,
        ImportError,
    ) as error:
        console.print("[bold red]Error:[/]", end=" ")
        console.print(str(error), markup=False)
        sys.exit(1)
