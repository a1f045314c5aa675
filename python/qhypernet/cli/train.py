"""``qhypernet train``."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from qhypernet import evaluation, runs
from qhypernet.config import RunConfig

_COLUMNS = {
    "accuracy": ("accuracy", ".4f"),
    "nll": ("NLL", ".4f"),
    "brier": ("Brier", ".4f"),
    "ece": ("ECE", ".4f"),
    "kl": ("KL to posterior", ".3f"),
}


def train(
    data: Annotated[
        str | None,
        typer.Argument(
            help="gaussian, moons, rings, digits, breast_cancer, or the path of a CSV file."
        ),
    ] = None,
    target: Annotated[str | None, typer.Option(help="CSV column to predict.")] = None,
    classes: Annotated[str | None, typer.Option(help="Digits to tell apart, as 0,1.")] = None,
    samples: Annotated[int | None, typer.Option(help="Training points of synthetic data.")] = None,
    data_seed: Annotated[
        int | None, typer.Option(help="Seed of the data's draw and split.")
    ] = None,
    hidden: Annotated[
        str | None, typer.Option(help="Hidden units, a number a layer, as 3 or 4,4; 0 for none.")
    ] = None,
    activation: Annotated[
        str | None, typer.Option(help="sign, tanh, relu, sigmoid or identity.")
    ] = None,
    bias: Annotated[bool | None, typer.Option(help="Binary biases.")] = None,
    ansatz: Annotated[
        str | None, typer.Option(help="hardware_efficient, brickwork or sign_symmetric.")
    ] = None,
    layers: Annotated[
        int | None, typer.Option(help="Circuit layers; one layer alone is classical.")
    ] = None,
    objective: Annotated[str | None, typer.Option(help="mle, elbo or selbo.")] = None,
    weight: Annotated[
        str | None,
        typer.Option(help="Weight of SELBO or beta of ELBO: a number, or annealed as 3000:30."),
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="random, near_uniform or near_identity.")
    ] = None,
    shots: Annotated[
        int | None, typer.Option(help="Measurements a step; exact gradients if not given.")
    ] = None,
    inits: Annotated[int | None, typer.Option(help="Initialisations, trained together.")] = None,
    steps: Annotated[int | None, typer.Option(help="Training steps.")] = None,
    lr: Annotated[str | None, typer.Option(help="Learning rate: a number, or as 0.1:0.01.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of starts and shots.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file with a run's description; options go before it.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the result [default: runs/NAME-HASH].")
    ] = None,
) -> None:
    """Train a distribution over binary networks and show it beside the exact posterior.

    Everything that is not given has a default, and the folder keeps the whole description
    (config.toml) beside the result. The same command on the same folder goes on where an
    interrupted run stopped.

    Examples:

        qhypernet train moons --hidden 3 --activation tanh --layers 4

        qhypernet train table.csv --target label --hidden 2 --objective elbo --weight 50:1

        qhypernet train --config runs/moons/config.toml --seed 1 --out runs/moons-1
    """
    given: dict[str, dict[str, Any]] = {
        "data": {
            "source": data,
            "target": target,
            "classes": _whole_numbers("classes", classes),
            "n_samples": samples,
            "seed": data_seed,
        },
        "network": {
            "hidden": _hidden(hidden),
            "activation": activation,
            "bias": bias,
        },
        "circuit": {"ansatz": ansatz, "layers": layers},
        "objective": {"name": objective, "weight": weight},
        "training": {
            "start": start,
            "shots": shots,
            "inits": inits,
            "steps": steps,
            "learning_rate": lr,
            "seed": seed,
        },
    }
    resolved = _resolve(given, config, out)
    folder = out or _default_folder(resolved)
    console = Console(highlight=False)
    run = runs.execute(resolved, folder)
    console.print(_describe(run))
    console.print(_table(run))
    console.print(_remarks(run))
    console.print(f"result: {folder}", soft_wrap=True)
    console.print(f"page:   qhypernet report {folder}", soft_wrap=True)


def _resolve(given: dict[str, dict[str, Any]], config: Path | None, out: Path | None) -> RunConfig:
    """Options over the file, or over what the folder holds if nothing but the folder was named."""
    changes = {
        section: {name: value for name, value in fields.items() if value is not None}
        for section, fields in given.items()
    }
    content: dict[str, Any] = RunConfig.read(config) if config else {}
    if config is None and out is not None and not any(changes.values()):
        stored = runs.stored_config(out)
        if stored is not None:
            return stored
    for section, fields in changes.items():
        if not isinstance(content.setdefault(section, {}), dict):
            raise ValueError(f"config: expected [{section}] to be a table")
        content[section] |= fields
    if "source" not in content["data"]:
        raise ValueError(
            "data: expected the name of a data set or the path of a CSV file, got none; "
            "see qhypernet train --help"
        )
    return RunConfig.parse(content, "config" if config else "options")


def _default_folder(config: RunConfig) -> Path:
    """A folder that belongs to this description alone."""
    short = hashlib.sha256(config.to_toml().encode()).hexdigest()[:8]
    return Path("runs") / f"{Path(config.data.source).stem}-{config.objective.name}-{short}"


def _whole_numbers(name: str, text: str | None) -> list[int] | None:
    try:
        return None if text is None else [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"{name}: expected whole numbers as in 3 or 4,4, got {text!r}") from None


def _hidden(text: str | None) -> list[int] | None:
    sizes = _whole_numbers("hidden", text)
    return [] if sizes == [0] else sizes


def _describe(run: runs.Run) -> str:
    circuit = run.config.build_circuit(run.net)
    return (
        f"[bold]{run.data.name}[/]: {len(run.data.y_train)} training and "
        f"{len(run.data.y_test)} test points. "
        f"Network {'-'.join(map(str, run.net.layers))}: {run.net.n_weights} binary weights, "
        f"{2**run.net.n_weights:,} networks. Circuit {run.config.circuit.ansatz}: "
        f"{circuit.n_qubits} qubits, {run.config.circuit.layers} layers, "
        f"{circuit.n_params} parameters."
    )


def _table(run: runs.Run) -> Table:
    names, rows = evaluation.summary(run.result)
    table = Table(title="Test part, beside the ground truth", title_justify="left")
    table.add_column("")
    for title, _ in _COLUMNS.values():
        table.add_column(title, justify="right")
    for name, row in zip(names, rows, strict=True):
        values = dict(zip(evaluation.METRICS, row, strict=True))
        cells = [
            "-" if np.isnan(values[metric]) else format(values[metric], form)
            for metric, (_, form) in _COLUMNS.items()
        ]
        style = "bold" if name.startswith("trained") else ""
        table.add_row(name, *cells, style=style)
    return table


def _remarks(run: runs.Run) -> str:
    remarks = [f"log evidence log p(D) = {run.result.attrs['log_evidence']:.3f} nats."]
    if run.config.circuit.layers == 1 and run.config.circuit.ansatz != "sign_symmetric":
        remarks.append(
            "One layer is classical (mean field: independent weights, relabelled); "
            "--layers 4 makes the circuit entangle."
        )
    return "\n".join(remarks)
