"""The report of a study: what was searched, what was best, and which settings matter."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from optuna.importance import get_param_importances
from optuna.trial import FrozenTrial, TrialState

from qhypernet import _core, plotting, storage
from qhypernet.report.page import Section, Table, render_page
from qhypernet.tuning._config import MEANINGS, MINIMISED, Range
from qhypernet.tuning._study import ERROR, SCORES

if TYPE_CHECKING:
    from qhypernet.tuning._study import Study

_FEWEST_FOR_IMPORTANCE = 10
_MOST_SHOWN = 10


def write_study_report(study: Study, path: Path) -> Path:
    """Writes a study's report as one self-contained HTML page, and returns its path.

    Raises:
        ValueError: No trial has been completed yet.
        OSError: The page cannot be written.
    """
    complete = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    if not complete:
        raise ValueError(f"study: expected a trial that is complete, got none in {study.folder}")
    tune = study.config.tune
    sections = [
        _what(study),
        _best(study),
        _trials(study, complete),
        _settings(study, complete),
        *_failures(study),
        *(
            Section(
                f"How to train trial {trial.number}",
                f"It is in {file.name}: qhypernet train --config {file}",
                code=study.description(trial).to_toml(),
            )
            for file, trial in list(study.files().items())[:_MOST_SHOWN]
        ),
        Section(
            "How to repeat the study",
            "Save the following as study.toml and call: qhypernet tune study.toml",
            code=study.config.to_toml(),
        ),
    ]
    page = render_page(
        f"{study.config.data.source}: {len(study.trials)} trials of "
        f"{study.config.objective.name.upper()}",
        f"searched by {tune.sampler} for {' and '.join(tune.metrics)}",
        sections,
        f"qhypernet {_core.__version__}, seed {tune.seed}",
    )
    storage.write_text(path, page)
    return path


def _what(study: Study) -> Section:
    config, tune = study.config, study.config.tune
    durations = [t.duration.total_seconds() for t in study.trials if t.duration is not None]
    rows = [(f"range of {name}", _range(values)) for name, values in tune.ranges.items()]
    rows += [
        (
            "searched for",
            "; ".join(
                f"{'lowest' if MINIMISED[name] else 'highest'} {name}: {MEANINGS[name]}"
                for name in tune.metrics
            ),
        ),
        ("sampler", f"{tune.sampler}, seed {tune.seed}"),
        (
            "each trial",
            f"{config.training.inits} initialisations; scored on {tune.validation:.0%} of the "
            "training part, trained on the rest; the test part was not looked at",
        ),
        (
            "trials",
            ", ".join(
                f"{study.count(state)} {state.name.lower()}"
                for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
            )
            + f"; {sum(durations):.0f} s in all, median {np.median(durations):.2f} s",
        ),
    ]
    if tune.success is not None:
        rows.insert(-3, ("a start succeeds", f"with {tune.success}"))
    return Section("What was searched", table=Table(["", ""], rows))


def _range(values: Range) -> str:
    if values.choices is not None:
        return ", ".join(map(str, values.choices))
    step = "" if values.step is None else f", by {values.step:g}"
    return f"{values.low:g} to {values.high:g}{step}{', logarithmic' * values.log}"


def _best(study: Study) -> Section:
    tune, best = study.config.tune, study.best
    rows = []
    for trial in best[:_MOST_SHOWN]:
        mean, spread = (trial.user_attrs[SCORES][key] for key in ("mean", "spread"))
        rows.append(
            [str(trial.number)]
            + [f"{mean[name]:.4g} ± {spread[name]:.2g}" for name in tune.metrics]
            + [_text(study.values(trial).get(name)) for name in tune.ranges]
        )
    truth = best[0].user_attrs[SCORES]["exact"]
    exact = [_text(truth.get(name)) for name in tune.metrics]
    rows.append(["exact posterior", *exact, *("-" for _ in tune.ranges)])
    more = f" {len(best) - _MOST_SHOWN} more are not shown." if len(best) > _MOST_SHOWN else ""
    text = (
        "Mean and standard deviation over starts on the validation part, which the settings were "
        "chosen by: expect somewhat worse on new data. The exact posterior is that of the same "
        f"points and network.{more}"
    )
    if len(tune.metrics) > 1:
        text += " No other trial is better than one of these in every metric."
    return Section("The best", text, table=Table(["trial", *tune.metrics, *tune.ranges], rows))


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _trials(study: Study, complete: list[FrozenTrial]) -> Section:
    tune = study.config.tune
    truth = study.best[0].user_attrs[SCORES]["exact"]
    figures = []
    values = np.array([trial.values for trial in complete])
    for i, name in enumerate(tune.metrics):
        figure = plotting.study_history(
            [trial.number for trial in complete],
            values[:, i],
            name,
            lower=MINIMISED[name],
            exact=truth.get(name),
        )
        figures.append((f"{name} of each trial, a mean over starts, and the best so far.", figure))
    if len(tune.metrics) == 2:
        best = {trial.number for trial in study.best}
        chosen = [trial.number in best for trial in complete]
        figure = plotting.compromises(values, tune.metrics, chosen, truth.get(tune.metrics[0]))
        figures.append(("Both metrics: no trial is better than the marked ones in both.", figure))
    return Section("Trials", figures=figures)


def _settings(study: Study, complete: list[FrozenTrial]) -> Section:
    tune = study.config.tune
    columns = [study.values(trial) for trial in complete]
    settings = {name: [column.get(name) for column in columns] for name in tune.ranges}
    log = [name for name, values in tune.ranges.items() if values.log]
    figures: list[tuple[str, Figure]] = []
    text = ""
    if len(complete) < _FEWEST_FOR_IMPORTANCE:
        text = f"Importance is worked out from {_FEWEST_FOR_IMPORTANCE} complete trials on."
    for i, name in enumerate(tune.metrics):
        if not text:
            caption = f"Importance for reaching the best {name} (PED-ANOVA, arXiv 2304.10255)."
            figures.append((caption, plotting.importances(_importances(study, i))))
        found = [trial.values[i] for trial in complete]
        caption = f"{name} over each setting; later trials are darker."
        figures.append((caption, plotting.slices(settings, found, name, log=log)))
    return Section("Settings", text, figures)


def _importances(study: Study, metric: int) -> dict[str, float]:
    # PED-ANOVA takes lower for better.
    sign = 1 if MINIMISED[study.config.tune.metrics[metric]] else -1
    with warnings.catch_warnings():
        # Where all trials are equally good, all settings are equally important.
        warnings.filterwarnings("ignore", message="Target and region quantiles")
        warnings.filterwarnings("ignore", message="PedAnovaImportanceEvaluator computes")
        return get_param_importances(study.optuna, target=lambda t: sign * t.values[metric])


def _failures(study: Study) -> list[Section]:
    failed = [trial for trial in study.trials if trial.state == TrialState.FAIL]
    if not failed:
        return []
    rows = [[str(t.number), str(t.user_attrs.get(ERROR, "-"))] for t in failed[:_MOST_SHOWN]]
    more = f" The first {_MOST_SHOWN} are shown." if len(failed) > _MOST_SHOWN else ""
    text = f"{len(failed)} trials failed, and the search went on without them.{more}"
    return [Section("Trials that failed", text, table=Table(["trial", "error"], rows))]
