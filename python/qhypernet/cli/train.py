"""``qhypernet train``."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from qhypernet import evaluation, runs
from qhypernet.config import RunConfig
from qhypernet.training import Interrupted

_COLUMNS = ("accuracy", "rmse", "nll", "brier", "ece", "coverage", "kl")
"""Metrics that the table shows, of those that the run has."""


def train(
    data: Annotated[
        str | None,
        typer.Argument(
            help="gaussian, moons, rings, wave (regression), digits, breast_cancer, or the path of "
            "a CSV file."
        ),
    ] = None,
    target: Annotated[str | None, typer.Option(help="Column to predict, for a CSV file.")] = None,
    regression: Annotated[
        bool | None,
        typer.Option("--regression", help="Whether a CSV file's target is a quantity."),
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="Digits to tell apart [default: 0,1].")
    ] = None,
    samples: Annotated[
        int | None, typer.Option(help="Training points of synthetic data [default: 200].")
    ] = None,
    data_seed: Annotated[
        int | None, typer.Option(help="Seed of the data's draw and split [default: 0].")
    ] = None,
    features: Annotated[
        int | None,
        typer.Option(
            help="Principal components of digits [default: its pixels], or features of "
            "breast_cancer [default: 8]."
        ),
    ] = None,
    hidden: Annotated[
        str | None,
        typer.Option(help="Hidden units, a number a layer, as 3 or 4,4 [default: 0, none]."),
    ] = None,
    activation: Annotated[
        str | None,
        typer.Option(
            help="sign, tanh, relu, sigmoid or identity [default: sign]; of 2 or 4, as in "
            "sign,tanh, bits choose one a layer."
        ),
    ] = None,
    removable: Annotated[
        bool | None,
        typer.Option("--removable", help="Whether a bit for each hidden unit can switch it off."),
    ] = None,
    bias: Annotated[
        bool | None, typer.Option(help="Whether units have binary biases [default: bias].")
    ] = None,
    logit_scale: Annotated[
        float | None, typer.Option(help="Factor of the network's outputs [default: 1].")
    ] = None,
    noise: Annotated[
        float | None,
        typer.Option(
            help="Standard deviation of the noise in regression, in that of the targets "
            "[default: 0.3]."
        ),
    ] = None,
    ansatz: Annotated[
        str | None,
        typer.Option(
            help="hardware_efficient, brickwork or sign_symmetric [default: hardware_efficient]."
        ),
    ] = None,
    layers: Annotated[
        int | None, typer.Option(help="Circuit layers [default: 1, which is classical].")
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            help="mle, elbo, selbo, root_mmd, forward_kl, renyi, jensen_shannon, total_variation, "
            "hellinger or ksd [default: selbo]."
        ),
    ] = None,
    weight: Annotated[
        str | None,
        typer.Option(
            help="The divergence's weight [default: 30 for selbo, else 1]; 3000:30 anneals it."
        ),
    ] = None,
    alpha: Annotated[float | None, typer.Option(help="Order of renyi [default: 0.5].")] = None,
    start: Annotated[
        str | None, typer.Option(help="random, near_uniform or near_identity [default: random].")
    ] = None,
    gradient: Annotated[
        str | None,
        typer.Option(
            help="exact, sampled, parameter_shift or spsa [default: exact; sampled with --shots]."
        ),
    ] = None,
    shots: Annotated[
        int | None,
        typer.Option(help="Simulated measurements of a step's settings [default: none, exact]."),
    ] = None,
    inits: Annotated[
        int | None, typer.Option(help="Initialisations, trained together [default: 10].")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Training steps [default: 200].")] = None,
    optimizer: Annotated[
        str | None, typer.Option(help="adam, sgd or lbfgsb [default: adam].")
    ] = None,
    lr: Annotated[
        str | None,
        typer.Option(
            help="Learning rate [default: 0.1 for adam, 0.001 for sgd]; 0.1:0.01 lowers it."
        ),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Points of a step, drawn anew each time [default: all].")
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(help="Stop a start after so many steps without a fall [default: never]."),
    ] = None,
    ground_truth: Annotated[
        int | None,
        typer.Option(help="Look how far the posterior is every so many steps [default: at end]."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of starts and shots [default: 0].")] = None,
    log: Annotated[
        str | None,
        typer.Option(
            help="jsonl, tensorboard or jsonl,tensorboard: every step, into the result's folder "
            "[default: none]."
        ),
    ] = None,
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

        qhypernet train digits --classes 0,1,2 --features 4

        qhypernet train wave --hidden 4 --activation tanh

        qhypernet train --config runs/moons/config.toml --seed 1 --out runs/moons-1
    """
    resolved, folder = described(dict(locals()))
    if runs.is_done(folder):
        typer.echo(f"already trained: this is the result in {folder}")
    try:
        run = runs.execute(resolved, folder, logs=logs(log))
    except Interrupted as stop:
        typer.echo(f"Interrupted: {stop}", err=True)
        raise typer.Exit(130) from None
    show(run)


def described(
    options: dict[str, Any], hardware: dict[str, Any] | None = None
) -> tuple[RunConfig, Path]:
    """The run that the options of :func:`train` describe, and its folder."""
    given: dict[str, dict[str, Any]] = {
        "data": {
            "source": options["data"],
            "target": options["target"],
            "classes": _whole_numbers("classes", options["classes"]),
            "n_samples": options["samples"],
            "n_features": options["features"],
            "regression": options["regression"],
            "seed": options["data_seed"],
        },
        "network": {
            "hidden": _hidden(options["hidden"]),
            "activation": options["activation"],
            "removable": options["removable"],
            "bias": options["bias"],
            "logit_scale": options["logit_scale"],
            "noise": options["noise"],
        },
        "circuit": {"ansatz": options["ansatz"], "layers": options["layers"]},
        "objective": {
            "name": options["objective"],
            "weight": options["weight"],
            "alpha": options["alpha"],
        },
        "training": {
            "start": options["start"],
            "gradient": options["gradient"],
            "shots": options["shots"],
            "inits": options["inits"],
            "steps": options["steps"],
            "optimizer": options["optimizer"],
            "learning_rate": options["lr"],
            "batch_size": options["batch_size"],
            "patience": options["patience"],
            "ground_truth": options["ground_truth"],
            "seed": options["seed"],
        },
        "hardware": hardware or {},
    }
    config, out = options["config"], options["out"]
    resolved = _resolve(given, config, out)
    return resolved, out or _default_folder(resolved)


def logs(text: str | None) -> list[str]:
    """The logs that the option ``--log`` names."""
    return text.split(",") if text else []


def show(run: runs.Run) -> None:
    """Prints what a run is, what came of it, and where it is."""
    console = Console(highlight=False)
    console.print(_describe(run), markup=False)
    console.print(_table(run))
    folder = run.folder
    for line in [*_remarks(run), f"result: {folder}", f"page:   qhypernet report {folder}"]:
        console.print(line, markup=False, soft_wrap=True)


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
        if section == "hardware" and not fields:
            continue
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
        f"{run.data.name}: {len(run.data.y_train)} training and "
        f"{len(run.data.y_test)} test points. "
        f"Network {'-'.join(map(str, run.net.layers))}: {run.net.n_weights} binary weights, "
        f"{2**run.net.n_weights:,} networks. Circuit {run.config.circuit.ansatz}: "
        f"{circuit.n_qubits} qubits, layers: {run.config.circuit.layers}, "
        f"parameters: {circuit.n_params}."
    )


def _table(run: runs.Run) -> Table:
    names, rows = evaluation.summary(run.result)
    table = Table(
        title="On the test part, beside the ground truth", title_justify="left", box=SIMPLE_HEAD
    )
    table.add_column("")
    metrics = run.result["metric"].values.tolist()
    shown = [metric for metric in _COLUMNS if metric in metrics]
    for metric in shown:
        title = evaluation.METRICS[metric].title
        table.add_column(title, justify="right", no_wrap=True)
    for name, row in zip(names, rows, strict=True):
        values = dict(zip(metrics, row, strict=True))
        cells = [
            # Adding zero turns a rounded -0.0 into 0.0.
            "-" if np.isnan(values[metric]) else f"{round(values[metric], 4) + 0.0:.4f}"
            for metric in shown
        ]
        style = "bold" if name.startswith("trained") else ""
        table.add_row(name, *cells, style=style)
    return table


def _remarks(run: runs.Run) -> list[str]:
    evidence = run.result.attrs["log_evidence"]
    remarks = [f"NLL and KL(q || exact posterior) in nats; log evidence log p(D) = {evidence:.3f}."]
    if not run.net.n_classes:
        remarks.append(
            f"RMSE and NLL in the training targets' standard deviation; noise {run.net.noise:g} of "
            "it; coverage of the central 90 % interval, best at 0.9."
        )
    remarks += [note for note in (run.failed_note, run.config.classical_note) if note]
    if run.config.training.start == "random":
        remarks.append(
            "Random starts often end far from the posterior: --start near_uniform with an annealed "
            "weight (--weight 3000:30, for elbo 50:1) ends nearer."
        )
    return remarks
