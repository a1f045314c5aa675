"""``qhypernet export``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from qhypernet import _check, runs
from qhypernet.export import to_c, to_datatree, to_npz, to_onnx
from qhypernet.export.datatree import write

_FILES = {
    "npz": "networks.npz",
    "onnx": "networks.onnx",
    "c": "networks.h",
    "datatree": "posterior.nc",
}
"""Forms and their default files."""


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    to: Annotated[
        str,
        typer.Option(
            help="npz (packed bits), onnx, c (a header) or datatree (draws for ArviZ, in NetCDF)."
        ),
    ],
    networks: Annotated[
        int | None,
        typer.Option(
            help="Networks to average, the most probable ones; 1 is a single network "
            "[default: all of 1000 draws]."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to write it [default: networks.* in RUN].")
    ] = None,
) -> None:
    """Write a run's networks in a form that runs without this package.

    The networks are those of the start that is nearest to the exact posterior. Header and ONNX
    model take the run's own features and average what the networks say.

    Examples:

        qhypernet export runs/moons --to c --networks 1

        qhypernet export runs/moons --to onnx --out moons.onnx
    """
    form = _check.choice("to", to, _FILES)
    if networks is not None and form == "datatree":
        raise ValueError("networks: expected none with --to datatree, which holds draws")
    source = runs.read(run)
    path = out or run / _FILES[form]
    if form == "datatree":
        write(to_datatree(source), path)
    else:
        writers: dict[str, Callable[..., object]] = {"npz": to_npz, "onnx": to_onnx, "c": to_c}
        writers[form](source, path, n_networks=networks)
    typer.echo(f"{form}: {path} ({path.stat().st_size:,} bytes)")
