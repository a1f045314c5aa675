"""What a sweep is: configurations on axes, cut into units of work."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qhypernet import _check, _core, datasets
from qhypernet.config import RunConfig
from qhypernet.datasets import Dataset
from qhypernet.runs import check
from qhypernet.sweeps import _cost

CASE = "case"
"""The axis of what ``[[sweep.cases]]`` lists."""

_ARRAYS = ("X_train", "y_train", "X_test", "y_test")


class Options(BaseModel):
    """What ``[sweep]`` may hold beside its axes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    chunk: Annotated[int, Field(ge=1)] | None = None
    """Initialisations in a unit; if not given as many as take about a second."""
    history_every: Annotated[int, Field(ge=0)] = 1
    """Keep every so many steps, and the last; 0 keeps no history."""
    history_dtype: Literal["float64", "float32"] = "float64"

    def steps(self, n_steps: int) -> list[int]:
        """Which steps of the history are kept."""
        if not self.history_every:
            return []
        return sorted({*range(0, n_steps, self.history_every), n_steps - 1})


@dataclass(frozen=True)
class Unit:
    """Some initialisations of one configuration: a file, and what makes it."""

    name: str
    """A hash of all that decides the file's numbers, and nothing else."""
    config: RunConfig
    place: tuple[int, ...]
    """Its place on each axis."""
    first_init: int
    n_inits: int
    data: str
    """Hash of the data."""
    n_weights: int
    n_params: int
    """Of the network and of the circuit."""
    nanoseconds: int
    """About how long its training takes on one core."""


@dataclass(frozen=True)
class Plan:
    """Configurations on axes: all cases times all values of each axis."""

    base: RunConfig
    options: Options
    axes: dict[str, list[Any]]
    """Values by name; those of :data:`CASE` are tables of values by name."""

    @classmethod
    def parse(cls, content: Mapping[str, Any], where: str) -> Plan:
        """Checks a description: that of a run, and ``[sweep]``.

        Raises:
            ValueError: Names what is unknown, empty, given twice or does not fit.
        """
        rest = dict(content)
        table = rest.pop("sweep", None)
        if not isinstance(table, Mapping):
            raise ValueError(f"{where}: expected a table [sweep] with the values to go through")
        base = RunConfig.parse(rest, where)
        if base.hardware is not None:
            raise ValueError(f"{where}: hardware: expected none: a sweep is simulated")
        options = {name: table[name] for name in Options.model_fields if name in table}
        try:
            checked = Options.model_validate(options)
        except ValidationError as error:
            first = error.errors()[0]
            message = first["msg"].replace("Input should be", "expected")
            name = ".".join(map(str, first["loc"]))
            raise ValueError(f"{where}: sweep.{name}: {message}, got {first['input']!r}") from None
        named = {name: value for name, value in table.items() if name not in options}
        axes = {CASE: _cases(named.pop("cases"), where)} if "cases" in named else {}
        for name, value in _flat(named):
            _check_name(name, where)
            axes[name] = _values(name, value, where)
        if not axes:
            raise ValueError(f'{where}: expected values in [sweep], as "objective.weight" = [1, 3]')
        for name in {name for case in axes.get(CASE, []) for name in case}:
            _check_name(name, where)
            if name in axes:
                raise ValueError(
                    f"{where}: sweep: expected {name} on an axis or in cases, not both"
                )
        return cls(base, checked, axes)

    @classmethod
    def read(cls, path: Path) -> Plan:
        """Reads a description from a TOML file."""
        return cls.parse(RunConfig.read(path), str(path))

    def to_toml(self) -> str:
        """The description with every default written out."""
        content = self.base.model_dump(mode="json", exclude_none=True)
        axes = {"cases" if name == CASE else name: values for name, values in self.axes.items()}
        options = self.options.model_dump(mode="json", exclude_none=True)
        return tomli_w.dumps(content | {"sweep": options | axes})

    @classmethod
    def of_toml(cls, text: str, where: str) -> Plan:
        """What :meth:`to_toml` wrote."""
        return cls.parse(tomllib.loads(text), where)

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of values on each axis."""
        return tuple(map(len, self.axes.values()))

    @cached_property
    def configurations(self) -> dict[tuple[int, ...], RunConfig]:
        """The description of each place on the axes.

        Raises:
            ValueError: Values that do not fit, with those that were asked for.
        """
        found = {}
        for place in itertools.product(*map(range, self.shape)):
            values: dict[str, Any] = {}
            for (name, known), i in zip(self.axes.items(), place, strict=True):
                values |= known[i] if name == CASE else {name: known[i]}
            try:
                found[place] = self.base.replace(values)
                found[place].build_objective()
                found[place].build_gradient()
                found[place].build_optimizer()
            except ValueError as error:
                asked = ", ".join(f"{name} = {value!r}" for name, value in values.items())
                raise ValueError(f"sweep: with {asked}: {error}") from None
        return found

    @property
    def n_inits(self) -> int:
        """The most initialisations of a configuration."""
        return max(config.training.inits for config in self.configurations.values())

    @property
    def steps(self) -> list[int]:
        """Steps of which some configuration keeps the history."""
        lengths = {config.training.steps for config in self.configurations.values()}
        return sorted({step for length in lengths for step in self.options.steps(length)})

    def units(self, folder: Path) -> list[Unit]:
        """All units, in the order of the axes; relative paths of data start from ``folder``.

        Every machine finds the same ones: they follow from description, data and version alone.

        Raises:
            ValueError: Data that are not there, or networks that are too large.
        """
        return list(self._units(folder))

    def _units(self, folder: Path) -> Iterator[Unit]:
        for place, config in self.configurations.items():
            data = load(config, folder)
            net = config.build_network(data)
            check(config, net)
            total = config.training.inits
            _, n_params = _cost.size(net.layers, config.network, config.circuit)
            chunk = self.options.chunk or _cost.chunk(config, net)
            one = _cost.nanoseconds(config, net)
            digest = data_digest(config, folder)
            parts = {
                "qhypernet": _core.__version__,
                "config": _without_inits(config),
                "data": digest,
                "history": [self.options.history_every, self.options.history_dtype],
            }
            for first in range(0, total, chunk):
                n_inits = min(chunk, total - first)
                key = json.dumps(parts | {"inits": [first, n_inits]}, sort_keys=True)
                name = hashlib.sha256(key.encode()).hexdigest()[:32]
                yield Unit(
                    name=name,
                    config=config,
                    place=place,
                    first_init=first,
                    n_inits=n_inits,
                    data=digest,
                    n_weights=net.n_weights,
                    n_params=n_params,
                    nanoseconds=n_inits * one,
                )


def _check_name(name: str, where: str) -> None:
    """Refuses a name without a section; what is in the sections the description itself knows."""
    if "." not in name:
        known = [*Options.model_fields, "cases", *RunConfig.model_fields]
        raise ValueError(
            f"{where}: sweep.{name}: no such field{_check.near(name, known)}; there are "
            f"{', '.join(Options.model_fields)}, cases and names such as objective.weight"
        )


def _without_inits(config: RunConfig) -> dict[str, Any]:
    """A description without what does not decide an initialisation's numbers: how many others there
    are, and what the data, of which there is a hash, are called."""
    content = config.model_dump(mode="json", exclude_none=True)
    del content["training"]["inits"], content["data"]["source"]
    return content


def _flat(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names and values; ``objective.weight`` without quotes is a table in a table to TOML."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{inner}", deep) for inner, deep in _flat(value))
        else:
            yield name, value


def _values(name: str, values: Any, where: str) -> list[Any]:
    expected = f"{where}: sweep.{name}: expected a list of values that differ"
    if not isinstance(values, list | tuple) or not values:
        raise ValueError(f"{expected}, got {values!r}")
    for i, value in enumerate(values):
        if value in values[:i]:
            raise ValueError(f"{expected}, got {value!r} twice")
    return list(values)


def _cases(cases: Any, where: str) -> list[dict[str, Any]]:
    if not isinstance(cases, list) or not all(isinstance(c, Mapping) and c for c in cases):
        raise ValueError(f"{where}: sweep.cases: expected tables [[sweep.cases]], got {cases!r}")
    return _values("cases", [dict(_flat(case)) for case in cases], where)


def load(config: RunConfig, folder: Path) -> Dataset:
    """A configuration's data, a few of which are kept; relative paths start from ``folder``."""
    return _load(*_located(config, folder))


def data_digest(config: RunConfig, folder: Path) -> str:
    """A hash of a configuration's data."""
    return _digest(*_located(config, folder))


_Stamp = tuple[int, int] | None


def _located(config: RunConfig, folder: Path) -> tuple[RunConfig, _Stamp]:
    """A description of the data alone with the whole path of a file, and the file's time and size:
    an edited one is read again."""
    alone = RunConfig(data=config.data)
    path = folder / config.data.source
    if config.data.source in datasets.names() or not path.exists():
        return alone, None
    status = path.stat()
    return alone.replace({"data.source": str(path)}), (status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=64)
def _load(config: RunConfig, stamp: _Stamp) -> Dataset:
    del stamp
    return config.load_data()


@functools.lru_cache(maxsize=4096)
def _digest(config: RunConfig, stamp: _Stamp) -> str:
    data, digest = _load(config, stamp), hashlib.sha256()
    for name in _ARRAYS:
        values = np.ascontiguousarray(getattr(data, name))
        digest.update(repr((name, values.shape, values.dtype.str)).encode())
        digest.update(values.tobytes())
    return digest.hexdigest()
