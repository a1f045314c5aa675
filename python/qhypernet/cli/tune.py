"""``qhypernet tune``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from qhypernet.training import Interrupted

if TYPE_CHECKING:
    from qhypernet.tuning._config import TuneConfig
    from qhypernet.tuning._study import Study

_MOST_SHOWN = 10


def tune(
    config: Annotated[
        Path | None,
        typer.Argument(help="TOML file: a run's description and a table [tune] with ranges."),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(help="Trials in all, with those done before [default: 100].")
    ] = None,
    sampler: Annotated[
        str | None, typer.Option(help="tpe, gp, cmaes, random or grid [default: tpe].")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of sampler and validation split [default: 0].")
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            help="Database that processes and machines share, as postgresql://user@host/name "
            "[default: a journal in the folder].",
            envvar="QHYPERNET_STORAGE",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the study [default: studies/NAME-HASH].")
    ] = None,
) -> None:
    """Search the settings of a run; write the best as best.toml.

    Each trial trains a batch of initialisations on one part of the training data and is scored on
    the other part by their mean; the test part is never looked at. The same command on the same
    folder goes on where an interrupted study stopped. A file may look like this:

        [data]
        source = "moons"

        [training]
        inits = 50

        [tune]
        trials = 200
        metrics = ["nll"]

        [tune.ranges]
        "objective.weight" = { low = 1.0, high = 1000.0, log = true }

        "circuit.layers" = { choices = [1, 2, 4] }

    Examples:

        qhypernet tune moons.toml --out studies/moons

        qhypernet train --config studies/moons/best.toml

        qhypernet report studies/moons
    """
    from qhypernet.tuning import tune as run
    from qhypernet.tuning._study import short_name

    given = {"trials": trials, "sampler": sampler, "seed": seed}
    resolved = _resolve({k: v for k, v in given.items() if v is not None}, config, out)
    folder = out or Path("studies") / short_name(resolved)
    try:
        study = run(resolved, folder, storage=storage)
    except Interrupted as stop:
        typer.echo(f"Interrupted: {stop}", err=True)
        raise typer.Exit(130) from None
    console = Console(highlight=False)
    console.print(_describe(study), markup=False)
    console.print(_table(study))
    first = next(iter(study.files()))
    for line in (
        f"study: {folder}",
        f"train: qhypernet train --config {first}",
        f"page:  qhypernet report {folder}",
    ):
        console.print(line, markup=False, soft_wrap=True)


def _resolve(given: dict[str, object], config: Path | None, out: Path | None) -> TuneConfig:
    """Options over the file, or over what the folder holds if no file was named."""
    from qhypernet.tuning._config import TuneConfig
    from qhypernet.tuning._study import stored_config

    if config is not None:
        content = TuneConfig.read(config)
    else:
        stored = None if out is None else stored_config(out)
        if stored is None:
            raise ValueError(
                "config: expected a TOML file, or with --out the folder of a study to go on with; "
                "see qhypernet tune --help"
            )
        content = stored.model_dump(mode="json", exclude_none=True)
    if given:
        if not isinstance(content.get("tune"), dict):
            raise ValueError(f"{config}: expected a table [tune] with ranges")
        content["tune"] |= given
    return TuneConfig.parse(content, str(config or out))


def _describe(study: Study) -> str:
    from optuna.trial import TrialState

    config = study.config
    ended = {
        "complete": study.count(TrialState.COMPLETE),
        "pruned": study.count(TrialState.PRUNED),
        "failed": study.count(TrialState.FAIL),
    }
    counts = ", ".join(f"{count} {how}" for how, count in ended.items() if count)
    return (
        f"{config.data.source}: {len(study.trials)} trials ({counts}), each of "
        f"{config.training.inits} starts, by {config.tune.sampler}."
    )


def _table(study: Study) -> Table:
    """The best trials: values, metrics with their spread, and the exact posterior's."""
    from qhypernet.tuning._study import SCORES

    best, metrics = study.best, study.config.tune.metrics
    table = Table(
        title="Best on the validation part, beside its exact posterior",
        title_justify="left",
        box=SIMPLE_HEAD,
    )
    table.add_column("trial", justify="right")
    for name in metrics:
        table.add_column(name, justify="right", no_wrap=True)
        table.add_column("exact", justify="right", no_wrap=True)
    table.add_column("settings", overflow="fold")
    for trial in best[:_MOST_SHOWN]:
        scores = trial.user_attrs[SCORES]
        cells = [str(trial.number)]
        for name in metrics:
            cells.append(f"{scores['mean'][name]:.4g} ± {scores['spread'][name]:.2g}")
            exact = scores["exact"].get(name)
            cells.append("-" if exact is None else f"{exact:.4g}")
        # One a line: a column each would not fit.
        settings = study.values(trial).items()
        table.add_row(*cells, "\n".join(f"{name} = {_text(value)}" for name, value in settings))
    if len(best) > _MOST_SHOWN:
        table.caption = f"and {len(best) - _MOST_SHOWN} more"
    return table


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
