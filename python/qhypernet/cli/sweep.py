"""``qhypernet sweep`` and what belongs to it."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from qhypernet import storage
from qhypernet.sweeps import read_sweep
from qhypernet.training import Interrupted


class _RunByDefault(TyperGroup):
    """``qhypernet sweep FILE`` means ``qhypernet sweep run FILE``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The same arguments, after the name of a command."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["run", *args]
        return list(super().parse_args(ctx, args))


app = typer.Typer(
    cls=_RunByDefault,
    no_args_is_help=True,
    help="Train many configurations: qhypernet sweep FILE.toml (short for: sweep run FILE.toml).",
    rich_markup_mode="markdown",
)

_Folder = Annotated[Path, typer.Argument(help="Folder of a sweep.")]


@app.command("run")
def run(
    description: Annotated[
        Path | None,
        typer.Argument(help="TOML file: a run's description and [sweep] with lists of values."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the results [default: runs/NAME-sweep-HASH].")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Processes [default: one a core, fewer for little work]; jobs, with --dask slurm."
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads of each process [default: the cores are shared].")
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(help="A dask scheduler's address, its scheduler file (.json), or slurm."),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(help="i/N: only the i-th of N parts, in one process, for job arrays."),
    ] = None,
) -> None:
    """Train and evaluate every configuration of a sweep; go on where it stopped.

    The same command does only what is missing. Any number of machines may share the folder, and
    the files are the same bit for bit however the work was divided.

    Examples:

        qhypernet sweep weights.toml --out runs/weights

        qhypernet sweep --out runs/weights --dask tcp://head:8786

        qhypernet sweep --out runs/weights --shard $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT
    """
    from qhypernet.sweeps import _sweep
    from qhypernet.sweeps._plan import Plan

    if description is not None:
        plan = Plan.read(description)
    elif out is not None:
        plan = read_sweep(out).plan
    else:
        raise ValueError("sweep: expected a TOML file or --out with the folder of a sweep")
    folder = out or _default_folder(description, plan)
    try:
        sweep = _sweep.run(plan, folder, jobs=jobs, threads=threads, dask=dask, shard=shard)
    except Interrupted as stop:
        typer.echo(f"Interrupted: {stop}", err=True)
        raise typer.Exit(130) from None
    _show(sweep, folder)
    if sweep.status().errors:
        raise typer.Exit(1)


@app.command("status")
def status(folder: _Folder) -> None:
    """Show how far a sweep has come, and what failed."""
    sweep = read_sweep(folder)
    _show(sweep, folder)


@app.command("collect")
def collect(
    folder: _Folder,
    out: Annotated[
        Path | None,
        typer.Option(help="A .nc file with everything, or a .csv [default: FOLDER/collected.nc]."),
    ] = None,
) -> None:
    """Put all results into one labelled file (.nc), or the metrics into a table (.csv)."""
    sweep = read_sweep(folder)
    path = out or folder / "collected.nc"
    if path.suffix == ".csv":
        storage.write_text(path, sweep.table().to_csv(index=False))
    elif path.suffix == ".nc":
        sweep.collect(path).close()
    else:
        raise ValueError(f"out: expected a file that ends in .nc or .csv, got {path}")
    typer.echo(f"collected: {path}")


@app.command("report")
def report(
    folder: _Folder,
    metric: Annotated[
        list[str] | None, typer.Option(help="What to show; may be repeated [default: the usual].")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to write the page [default: FOLDER/report.html].")
    ] = None,
) -> None:
    """Write a sweep's report: metrics over each axis, with their spread over initialisations."""
    path = read_sweep(folder).report(out, metric or ())
    typer.echo(f"report: {path}")


def _default_folder(description: Path | None, plan: Any) -> Path:
    """A folder that belongs to this description alone."""
    short = hashlib.sha256(plan.to_toml().encode()).hexdigest()[:8]
    stem = description.stem if description else "sweep"
    return Path("runs") / f"{stem}-sweep-{short}"


def _show(sweep: Any, folder: Path) -> None:
    from qhypernet.sweeps._progress import duration

    now = sweep.status()
    line = f"{now.done} of {now.total} units done"
    if now.done < now.total and now.rate:
        line += f", {now.rate:.3g} units/s, {duration(now.seconds_left)} left"
    if now.errors:
        line += f", {len(now.errors)} failed"
    console = Console(highlight=False, soft_wrap=True)
    console.print(line, markup=False)
    for error in sorted(set(now.errors.values()))[:5]:
        count = sum(error == other for other in now.errors.values())
        console.print(f"  {count} x {error}", markup=False, style="red")
    if now.done < now.total:
        console.print(f"go on:  qhypernet sweep --out {folder}", markup=False)
    console.print(f"result: {folder}", markup=False)
    console.print(f"page:   qhypernet sweep report {folder}", markup=False)
    sys.stdout.flush()
