"""The report of a sweep: small multiples over its axes, and the best configurations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qhypernet import _check, _core, plotting, storage
from qhypernet.report.page import Section, Table, render_page
from qhypernet.sweeps._collect import describe
from qhypernet.sweeps._plan import CASE

if TYPE_CHECKING:
    import xarray as xr

    from qhypernet.sweeps._sweep import Sweep

_METRICS = ("accuracy", "rmse", "nll", "kl")
"""What is shown if nothing is named, as far as it is there."""
_SEEDS = ("data.seed", "training.seed")
"""Axes of which no value means more than another: part of the spread."""
_MOST_COLUMNS = 6
_BEST = 10


def write_report(sweep: Sweep, path: Path, metrics: Sequence[str] = ()) -> Path:
    """Writes a sweep's report as one self-contained HTML page, and returns its path.

    Args:
        sweep: The sweep; what is not done yet is left out, and the page says so.
        path: Of the page.
        metrics: What to show; accuracy or RMSE, NLL and KL if not given.

    Raises:
        ValueError: Nothing is done yet, or an unknown metric.
    """
    with sweep.collect() as dataset:
        known = [str(name) for name in dataset["metric"].values]
        names = [_check.choice("metric", name, known) for name in metrics]
        names = names or [name for name in _METRICS if name in known]
        good = dataset["done"] & ~dataset["failed"]
        trained = dataset["trained"].where(good).load()
        exact = dataset["ground_truth"].sel(reference="exact posterior").load()
        n_failed = int((dataset["done"] & dataset["failed"]).sum())
    sections = [
        _what(sweep, n_failed),
        _best(sweep, trained, exact, names),
        *_figures(sweep, trained, exact, names),
        Section(
            "How to repeat it",
            "Save the following as sweep.toml and call: qhypernet sweep sweep.toml",
            code=sweep.plan.to_toml(),
        ),
    ]
    base = sweep.plan.base
    page = render_page(
        f"Sweep over {', '.join(sweep.plan.axes)}",
        f"{base.data.source}, {len(sweep.plan.configurations)} configurations of up to "
        f"{sweep.plan.n_inits} initialisations",
        sections,
        f"qhypernet {_core.__version__}, seed {base.training.seed}",
    )
    storage.write_text(path, page)
    return path


def _what(sweep: Sweep, n_failed: int) -> Section:
    plan, status = sweep.plan, sweep.status()
    rows = [(name, ", ".join(map(str, values))) for name, values in plan.axes.items()]
    if CASE in plan.axes:
        cases = [(f"case {i}", describe(case)) for i, case in enumerate(plan.axes[CASE])]
        rows = cases + [row for row in rows if row[0] != CASE]
    rows.append(("units done", f"{status.done} of {status.total}"))
    if status.errors:
        rows.append(("units without a result", f"{len(status.errors)}: {_reasons(status.errors)}"))
    if n_failed:
        rows.append(("initialisations that diverged", f"{n_failed}, left out below"))
    return Section("What was run", plan.base.classical_note, table=Table(["", ""], rows))


def _reasons(errors: dict[str, str]) -> str:
    return "; ".join(sorted(set(errors.values()))[:3])


def _best(
    sweep: Sweep, trained: xr.DataArray, exact: xr.DataArray, metrics: Sequence[str]
) -> Section:
    by = "kl" if "kl" in metrics else metrics[0]
    axes = [name for name in sweep.plan.axes if name not in _SEEDS] or list(sweep.plan.axes)
    seeds = [name for name in sweep.plan.axes if name not in axes]
    order = trained.sel(metric=by).median(["init", *seeds]).values
    sign = -1 if "accuracy" in by else 1
    best = [i for i in np.argsort(sign * order, axis=None) if np.isfinite(order.flat[i])][:_BEST]
    rows = []
    for index in best:
        at = dict(zip(axes, map(int, np.unravel_index(index, order.shape)), strict=True))
        cells = [str(trained[name].values[i]) for name, i in at.items()]
        for metric in metrics:
            values = trained.sel(metric=metric).isel(at).values
            low, median, high = np.nanquantile(values, (0.1, 0.5, 0.9))
            truth = float(exact.sel(metric=metric).isel(at).median())
            cells += [f"{median:.4f}", f"{low:.4f} to {high:.4f}", f"{truth:.4f}"]
        rows.append(cells)
    columns = [f(m) for m in metrics for f in ("{}".format, "10-90 % of {}".format, _of_exact)]
    text = (
        f"By the median of {by} over {' and '.join(['initialisations', *seeds])}. The test part "
        "has chosen here: to pick settings, tune on a validation part (qhypernet tune)."
    )
    return Section("Best configurations", text, table=Table([*axes, *columns], rows))


def _of_exact(metric: str) -> str:
    return f"exact posterior's {metric}"


def _figures(
    sweep: Sweep, trained: xr.DataArray, exact: xr.DataArray, metrics: Sequence[str]
) -> list[Section]:
    long = [name for name, values in sweep.plan.axes.items() if len(values) > 1]
    sections = []
    for axis in [name for name in long if name not in _SEEDS] or long:
        others = [
            name
            for name in long
            if name not in (axis, *_SEEDS) and trained.sizes[name] <= _MOST_COLUMNS
        ]
        columns = others[0] if others else None
        pooled = ["initialisations", *(n for n in long if n not in (axis, columns))]
        caption = f"Median and 10-90 % over {', '.join(pooled)}; dashed: the exact posterior."
        figure = plotting.small_multiples(trained, axis, metrics, columns, exact)
        sections.append(Section(f"Over {axis}", "", [(caption, figure)]))
    return sections
