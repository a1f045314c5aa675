"""``qhypernet hardware``: train and evaluate on a device, or on what stands in for one."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from qhypernet import runs
from qhypernet.cli.train import described, logs, show
from qhypernet.cli.train import train as train_in_simulation
from qhypernet.config import HardwareConfig, RunConfig
from qhypernet.training import Interrupted

app = typer.Typer(
    help="Train and evaluate on IBM's devices, or on local noisy stand-ins for them.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

_PAUSED = 75
"""Exit status of what is to be tried again later, as in sysexits.h."""

Backend = Annotated[
    str | None,
    typer.Option(
        help="A device's name, least_busy, a fake one such as fake_manila, or aer (no noise)."
    ),
]
MaxExecutions = Annotated[
    int | None, typer.Option(help="Stop before more settings times shots than this are run.")
]
MaxSeconds = Annotated[
    float | None,
    typer.Option("--max-qpu-seconds", help="Stop before more of a processor's time is used."),
]
Wait = Annotated[
    float | None, typer.Option(help="Seconds to wait for a job [default: as long as it takes].")
]
Mitigation = Annotated[
    str | None, typer.Option(help="mthree corrects misread qubits; experimental [default: none].")
]
EvaluationShots = Annotated[
    int | None, typer.Option(help="Shots of the evaluation [default: 4000].")
]


def _with_options_of(other: Callable[..., None]) -> Callable[..., Callable[..., None]]:
    """Gives a command, which takes ``**options``, the options of another one besides its own."""

    def extended(command: Callable[..., None]) -> Callable[..., None]:
        kinds: dict[str, Any] = {}
        parameters = []
        for function in (other, command):
            kinds |= get_type_hints(function, include_extras=True)
            for name, parameter in inspect.signature(function).parameters.items():
                if parameter.kind is not inspect.Parameter.VAR_KEYWORD:
                    parameters.append(
                        parameter.replace(
                            kind=inspect.Parameter.KEYWORD_ONLY, annotation=kinds[name]
                        )
                    )
        kinds.pop("options")
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = kinds
        return command

    return extended


@app.command("train")
@_with_options_of(train_in_simulation)
def train(
    *,
    backend: Backend = None,
    mode: Annotated[
        str | None, typer.Option(help="How jobs are queued: job, batch or session [default: job].")
    ] = None,
    dynamical_decoupling: Annotated[
        str | None, typer.Option(help="XX, XpXm or XY4 on idle qubits [default: none].")
    ] = None,
    twirling: Annotated[
        bool | None, typer.Option("--twirling", help="Twirl gates and measurements.")
    ] = None,
    mitigation: Mitigation = None,
    evaluation_shots: EvaluationShots = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what it would cost, and submit nothing.")
    ] = False,
    max_executions: MaxExecutions = None,
    max_qpu_seconds: MaxSeconds = None,
    wait: Wait = None,
    **options: Any,
) -> None:
    """Train on samples alone, from a device: parameter_shift or spsa, with SELBO or MLE.

    All options of qhypernet train are here too; shots are 1000 of each setting if not given. The
    folder keeps a record of every job (RUN/jobs), and what stopped goes on with qhypernet hardware
    resume RUN.

    Examples:

        qhypernet hardware train moons --features 2 --backend fake_manila --dry-run

        qhypernet hardware train moons --backend fake_manila --steps 20 --inits 1 --out runs/manila

        qhypernet hardware train moons --backend ibm_torino --gradient spsa --max-qpu-seconds 300
    """
    from qhypernet import hardware
    from qhypernet.samplers import Budget

    given = {
        "backend": backend,
        "mode": mode,
        "dynamical_decoupling": dynamical_decoupling,
        "twirling": twirling,
        "mitigation": mitigation,
        "evaluation_shots": evaluation_shots,
    }
    config, folder = described(options, given)
    if config.hardware is None:
        raise ValueError(
            "backend: expected a device's name, least_busy, a fake one such as fake_manila, or "
            "aer, got none"
        )
    # A device by name, so that going on later means the same one.
    config = config.model_copy(update={"hardware": hardware.resolved(config.hardware)})
    budget = Budget(max_executions, max_qpu_seconds)
    if dry_run:
        _print_cost(config, budget)
        return
    _train(config, folder, budget, wait, logs(options["log"]))


@app.command("evaluate")
def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run, trained anywhere.")],
    backend: Backend = None,
    shots: EvaluationShots = None,
    mitigation: Mitigation = None,
    noise: Annotated[
        str | None,
        typer.Option(help="Depolarising rates instead of a backend, as 0,0.01,0.05: a curve."),
    ] = None,
    max_executions: MaxExecutions = None,
    max_qpu_seconds: MaxSeconds = None,
    wait: Wait = None,
) -> None:
    """Measure a trained run on a device: ideal, noisy and mitigated, side by side.

    The result is kept in the run's folder, and qhypernet report shows it.

    Examples:

        qhypernet hardware evaluate runs/moons --backend fake_manila --mitigation mthree

        qhypernet hardware evaluate runs/moons --noise 0,0.002,0.01,0.05
    """
    from qhypernet import hardware
    from qhypernet.samplers import Budget

    found = runs.read(run)
    if noise is not None:
        if backend is not None or mitigation is not None:
            raise ValueError("noise: expected neither --backend nor --mitigation with it")
        _print_curve(hardware.evaluate_under_noise(found, _rates(noise), shots or 4000))
        return
    fields = {"backend": backend, "evaluation_shots": shots, "mitigation": mitigation}
    content = {name: value for name, value in fields.items() if value is not None}
    if "backend" not in content:
        raise ValueError("backend: expected a backend's name, or --noise, got none")
    asked = RunConfig.parse({"data": found.config.data, "hardware": content}, "options").hardware
    assert asked is not None
    with _pauses(run):
        asked = hardware.resolved(asked)
        budget = Budget(max_executions, max_qpu_seconds)
        _evaluate(found, asked, budget, wait)


@app.command("resume")
def resume(
    run: Annotated[Path, typer.Argument(help="Folder of a run on hardware.")],
    max_executions: MaxExecutions = None,
    max_qpu_seconds: MaxSeconds = None,
    wait: Wait = None,
) -> None:
    """Go on with what stopped: pick up pending jobs, train on, evaluate.

    Nothing that was handed in is handed in again, so no step is paid for twice.
    """
    from qhypernet import hardware
    from qhypernet.samplers import Budget

    config = runs.stored_config(run)
    if config is None:
        raise ValueError(f"run: expected the folder of a run, got {run}, which holds none")
    budget = Budget(max_executions, max_qpu_seconds)
    if config.hardware is not None:
        _train(config, run, budget, wait)
    elif not hardware.pending(run):
        raise ValueError(f"run: expected a run with work on hardware, got {run}, which has none")
    with _pauses(run):
        for asked in hardware.pending(run):
            _evaluate(runs.read(run), asked, budget, wait)


@app.command("status")
def status(
    run: Annotated[Path, typer.Argument(help="Folder of a run on hardware.")],
) -> None:
    """Show what was handed in, what it used and what is pending, from the record on disk."""
    from qhypernet import hardware

    if runs.stored_config(run) is None:
        raise ValueError(f"run: expected the folder of a run, got {run}, which holds none")
    records = hardware.records(run).records()
    states = Counter(record.state for record in records)
    table = Table(show_header=False, box=None)
    table.add_row("result", "done" if runs.is_done(run) else "training has not ended")
    for state in ("done", "pending", "intended", "failed"):
        table.add_row(f"jobs {state}", str(states[state]))
    paid = [record for record in records if record.state != "intended"]
    table.add_row("executions", f"{sum(record.executions for record in paid):,}")
    table.add_row("QPU seconds", f"{sum(record.qpu_seconds for record in paid):,.1f}")
    for record in records:
        if record.state == "pending":
            table.add_row("pending", record.id)
    Console(highlight=False).print(table)


def _train(
    config: RunConfig,
    folder: Path,
    budget: Any,
    wait: float | None,
    log: Sequence[str] = (),
) -> None:
    from qhypernet import hardware

    console = Console(highlight=False, soft_wrap=True)
    assert config.hardware is not None
    if not runs.is_done(folder) and (text := hardware.advice(config, budget)):
        console.print(text, markup=False)
    with _pauses(folder):
        run = hardware.train(config, folder, budget=budget, wait=wait, logs=log)
    show(run)
    for found in hardware.evaluations(folder):
        _print_measured(found)


def _evaluate(run: runs.Run, asked: HardwareConfig, budget: Any, wait: float | None) -> None:
    from qhypernet import hardware

    ledger = hardware.ledger(asked, run.folder, budget=budget, wait=wait)
    _print_measured(hardware.evaluate(run, asked, ledger))


@contextmanager
def _pauses(folder: Path) -> Iterator[None]:
    """Says how to go on where there are no samples for now."""
    from qhypernet.samplers import Paused

    try:
        yield
    except (Paused, Interrupted) as stop:
        paused = isinstance(stop, Paused) or isinstance(stop.__cause__, Paused)
        typer.echo(f"{'Paused' if paused else 'Interrupted'}: {stop}", err=True)
        typer.echo(f"go on with: qhypernet hardware resume {folder}", err=True)
        raise typer.Exit(_PAUSED if paused else 130) from None
    except KeyboardInterrupt:
        typer.echo(f"Interrupted; go on with: qhypernet hardware resume {folder}", err=True)
        raise typer.Exit(130) from None


def _print_cost(config: RunConfig, budget: Any) -> None:
    from qhypernet import hardware

    assert config.hardware is not None
    found = hardware.cost(config, hardware.sampler(config.hardware))
    table = Table(show_header=False, box=None)
    for name, value in {
        "backend": config.hardware.backend,
        "gradient": config.build_gradient().name,
        "steps": f"{found.steps:,}",
        "circuits a step": f"{found.settings:,}",
        "shots of each": f"{found.shots:,}",
        "jobs": f"{found.jobs:,}",
        "executions": f"{found.executions:,}",
        "depth": f"{found.depth:,}",
        "two-qubit gates": f"{found.two_qubit_gates:,}",
        "QPU seconds": f"about {found.qpu_seconds:,.0f}",
    }.items():
        table.add_row(name, value)
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    if text := hardware.advice(config, budget):
        console.print(text, markup=False)
    console.print("Nothing was submitted. Executions include the evaluation at the end.")


def _print_measured(found: Any) -> None:
    values = found["measured"].median("init")
    table = Table(
        title=f"Measured on {found.attrs['backend']}, {found.attrs['shots']} shots, median of "
        f"{found.sizes['init']} starts",
        title_justify="left",
        box=SIMPLE_HEAD,
    )
    table.add_column("")
    for name in found["measure"].values:
        table.add_column(str(name), justify="right")
    for kind in found["kind"].values:
        table.add_row(str(kind), *map(_cell, values.sel(kind=kind).values))
    Console(highlight=False).print(table)


def _print_curve(found: Any) -> None:
    values = found["resilience"].median("init")
    table = Table(
        title=f"Under depolarising noise, median of {found.sizes['init']} starts",
        title_justify="left",
        box=SIMPLE_HEAD,
    )
    table.add_column("rate", justify="right")
    for name in found["measure"].values:
        table.add_column(str(name), justify="right")
    for rate in found["rate"].values:
        row = values.sel(rate=rate).values
        table.add_row(f"{rate:g}", *map(_cell, row))
    Console(highlight=False).print(table)


def _cell(value: float) -> str:
    # Adding zero turns a rounded -0.0 into 0.0.
    return f"{round(value, 4) + 0.0:.4f}"


def _rates(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"noise: expected rates as in 0,0.01,0.05, got {text!r}") from None
