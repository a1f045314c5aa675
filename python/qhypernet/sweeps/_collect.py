"""All units of a sweep as one labelled file, a unit at a time in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qhypernet import storage
from qhypernet.sweeps._plan import CASE
from qhypernet.sweeps._unit import HISTORY, LAYOUT

if TYPE_CHECKING:
    import h5netcdf
    import pandas as pd
    import xarray as xr

    from qhypernet.sweeps._sweep import Entry, Sweep

Arrays = dict[str, NDArray[Any]]

_NUMBERS = ("trained", "mode", "params", *HISTORY)
"""What has a value for each initialisation, NaN where there is none yet."""
_LABELS = ("metric", "reference")


def collect(sweep: Sweep, path: Path) -> xr.Dataset:
    """Writes one NetCDF file, whole or not at all, and opens it lazily."""
    import h5netcdf
    import xarray as xr

    first = next(_results(sweep), None)
    if first is None:
        raise ValueError(f"sweep: expected a unit that is done in {sweep.folder}, got none yet")
    with storage.replacing(path) as temporary, h5netcdf.File(temporary, "w") as file:
        _declare(file, sweep, first[1])
        for entry, arrays in _results(sweep):
            _put(file, sweep, entry, arrays, first[1])
    return xr.open_dataset(path, engine="h5netcdf")


def table(sweep: Sweep) -> pd.DataFrame:
    """Metrics of each initialisation that is done, one a row, with its place on the axes."""
    import pandas as pd

    names = list(sweep.plan.axes)
    rows = []
    for entry, arrays in _results(sweep):
        values = zip(sweep.plan.axes.values(), entry.place, strict=True)
        place = dict(zip(names, (_label(axis[i], i) for axis, i in values), strict=True))
        for init, failed, metrics in zip(
            arrays["init"], arrays["failed"], arrays["trained"], strict=True
        ):
            named = dict(zip(arrays["metric"].tolist(), metrics.tolist(), strict=True))
            rows.append(place | {"init": int(init), "failed": bool(failed)} | named)
    return pd.DataFrame(rows)


def coordinate(name: str, values: list[Any]) -> list[Any]:
    """An axis's values as labels: numbers where all are, else text; cases by their number."""
    if name == CASE:
        return list(range(len(values)))
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return values
    return [_text(value) for value in values]


def describe(case: dict[str, Any]) -> str:
    """A case in words."""
    return ", ".join(f"{name} = {_text(value)}" for name, value in case.items())


def _label(value: Any, index: int) -> Any:
    if isinstance(value, dict):
        return index
    return value if isinstance(value, int | float) else _text(value)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ":".join(str(part) for part in value.values())
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value)


def _results(sweep: Sweep) -> Iterator[tuple[Entry, Arrays]]:
    """What is done, in the order of the axes."""
    for entry in sweep.entries:
        file = sweep.file(entry)
        if file.exists():
            yield entry, storage.read_arrays(file, LAYOUT)


def _declare(file: h5netcdf.File, sweep: Sweep, first: Arrays) -> None:
    """Dimensions, coordinates and empty variables."""
    plan = sweep.plan
    axes = {name: coordinate(name, values) for name, values in plan.axes.items()}
    coordinates: dict[str, Any] = axes | {
        "init": np.arange(plan.n_inits),
        "metric": first["metric"].tolist(),
        "reference": first["reference"].tolist(),
    }
    sizes = {name: len(values) for name, values in coordinates.items()}
    if plan.steps:
        coordinates["step"], sizes["step"] = plan.steps, len(plan.steps)
    sizes["param"] = max(entry.n_params for entry in sweep.entries)
    file.dimensions = sizes
    for name, values in coordinates.items():
        array = np.asarray(values)
        if array.dtype.kind == "U":
            import h5py

            variable = file.create_variable(name, (name,), h5py.string_dtype())
            variable[...] = array.astype(object)
        else:
            file.create_variable(name, (name,), data=array)
    if CASE in axes:
        file.attrs[CASE] = "\n".join(map(describe, plan.axes[CASE]))
    # A unit is a chunk of its own, so that writing one rewrites no other.
    chunk = sizes | dict.fromkeys(axes, 1) | {"init": max(e.n_inits for e in sweep.entries)}
    for name, own in LAYOUT.items():
        if name in coordinates or ("step" in own and not plan.steps):
            continue
        dims = (*axes, *own)
        is_flag = name == "failed"
        variable = file.create_variable(
            name,
            dims,
            "i1" if is_flag else first[name].dtype,
            fillvalue=None if is_flag else np.nan,
            chunks=tuple(chunk[dim] for dim in dims),
            compression="gzip",
            compression_opts=4,
        )
        if is_flag:
            variable.attrs["dtype"] = "bool"
    done = file.create_variable("done", (*axes, "init"), "i1")
    done.attrs["dtype"] = "bool"
    for name in ("objective", "expected_nll", "regularizer", "log_evidence"):
        if name in file.variables:
            file.variables[name].attrs["units"] = "nats"
    file.attrs["sweep"] = plan.to_toml()


def _put(file: h5netcdf.File, sweep: Sweep, entry: Entry, arrays: Arrays, first: Arrays) -> None:
    """One unit's numbers at its place."""
    for label in _LABELS:
        if arrays[label].tolist() != first[label].tolist():
            raise ValueError(
                f"sweep: expected units with one set of {label}s to be collected, got "
                f"{arrays[label].tolist()} and {first[label].tolist()}; give each kind of task a "
                "sweep of its own"
            )
    inits = slice(entry.first_init, entry.first_init + entry.n_inits)
    steps = np.searchsorted(sweep.plan.steps, arrays.get("step", []))
    for name, own in LAYOUT.items():
        if name not in arrays or name in ("init", "step", *_LABELS):
            continue
        values = arrays[name]
        if "step" in own and len(steps) < len(sweep.plan.steps):
            padded = np.full((len(values), len(sweep.plan.steps)), np.nan, dtype=values.dtype)
            padded[:, steps] = values
            values = padded
        where: tuple[Any, ...] = entry.place
        for dim, size in zip(own, values.shape, strict=True):
            where += (inits if dim == "init" else slice(0, size),)
        file.variables[name][where] = values
    file.variables["done"][(*entry.place, inits)] = np.ones(entry.n_inits, dtype="i1")
