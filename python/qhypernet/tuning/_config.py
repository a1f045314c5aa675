"""The description of a study: a run's description, and a table of ranges to search."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Literal, get_args

import tomli_w
from pydantic import Field, model_validator

from qhypernet import _check
from qhypernet.config import RunConfig, Section
from qhypernet.evaluation import METRICS

_FIXED = {
    "data": "settings are compared on the same data",
    "training.seed": "settings are compared from the same starts",
}
"""What cannot be a range, and why."""


class Range(Section):
    """The values that a field may take: an interval, or choices."""

    low: int | float | None = None
    high: int | float | None = None
    log: bool = Field(default=False, description="Whether factors count, not differences.")
    step: int | float | None = Field(default=None, description="From low on; any value if none.")
    choices: Annotated[tuple[Any, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Range:
        interval = (self.low, self.high)
        if self.choices is not None:
            if interval != (None, None) or self.log or self.step is not None:
                raise ValueError("expected either choices, or low and high")
            if len(set(self.labels)) < len(self.choices):
                raise ValueError(f"choices: expected each value once, got {list(self.choices)}")
            return self
        if self.low is None or self.high is None:
            raise ValueError("expected low and high, or choices")
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"expected low below high, got {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"expected low above 0 with log, got {self.low}")
        if self.step is not None and (self.log or not 0 < self.step <= self.high - self.low):
            raise ValueError(f"expected a step up to high - low, without log, got {self.step}")
        if self.step is not None and not _is_multiple(self.high - self.low, self.step):
            raise ValueError(f"expected a step that leads from low to high, got {self.step}")
        return self

    @property
    def labels(self) -> list[Any]:
        """The choices as a storage can hold them: tables and lists are written out as JSON."""
        return [_label(choice) for choice in self.choices or ()]

    @property
    def ends(self) -> tuple[Any, ...]:
        """Values that show whether a field can take the range."""
        return self.choices or (self.low, self.high)

    def value(self, stored: Any) -> Any:
        """What a stored value stands for."""
        return stored if self.choices is None else self.choices[self.labels.index(stored)]

    def stored(self, name: str, value: Any) -> Any:
        """How a value is stored.

        Raises:
            ValueError: It is not in the range.
        """
        if self.choices is not None:
            if _label(value) in self.labels:
                return _label(value)
            raise ValueError(f"{name}: expected one of {list(self.choices)}, got {value!r}")
        assert self.low is not None
        assert self.high is not None
        number = _check.number(name, value)
        if not self.low <= number <= self.high:
            raise ValueError(f"{name}: expected {self.low} to {self.high}, got {value!r}")
        if self.step is not None and not _is_multiple(number - self.low, self.step):
            raise ValueError(f"{name}: expected {self.low} and steps of {self.step}, got {value!r}")
        return value


def _is_multiple(distance: float, step: float) -> bool:
    steps = distance / step
    return math.isclose(steps, round(steps), abs_tol=1e-9)


def _label(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | tuple | dict) else value


Measured = Literal["accuracy", "rmse", "nll", "brier", "ece", "kl", "tv", "expected_accuracy",
                   "expected_rmse", "expected_nll"]  # fmt: skip
Metric = Literal[Measured, "success_rate", "circuit_runs"]

MEANINGS = {name: METRICS[name].meaning for name in get_args(Measured)} | {
    "success_rate": "share of starts that succeed",
    "circuit_runs": "measurements that training one start takes",
}
"""What a study can search for, each a mean over starts; predictions are of the validation part."""

MINIMISED = {name: math.isinf(METRICS[name].best) for name in get_args(Measured)} | {
    "success_rate": False,
    "circuit_runs": True,
}


class Success(Section):
    """When a start counts as a success."""

    metric: Measured
    threshold: float

    def __str__(self) -> str:
        sign = "at most" if MINIMISED[self.metric] else "at least"
        return f"{self.metric} {sign} {self.threshold:g}"


class Tune(Section):
    """What is searched, for what, and how."""

    ranges: Annotated[dict[str, Range], Field(min_length=1)] = Field(
        description="Ranges by the names of fields, such as objective.weight."
    )
    metrics: tuple[Metric, ...] = Field(
        default=("nll",), description="What is searched for; of several, the best compromises."
    )
    success: Success | None = Field(default=None, description="What success_rate counts.")
    trials: Annotated[int, Field(ge=1)] = 100
    sampler: Literal["tpe", "gp", "cmaes", "random", "grid"] = "tpe"
    seed: Annotated[int, Field(ge=0, lt=2**64)] = Field(
        default=0, description="Of the sampler and of the split for validation."
    )
    validation: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.25, description="Share of the training part that settings are compared on."
    )
    known: tuple[dict[str, Any], ...] = Field(
        default=(), description="Settings to try first; what they leave out is searched."
    )
    name: str | None = Field(
        default=None, description="Of the study in a database; one of its own if not given."
    )
    prune_every: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="Steps after which a trial below the median of the others ends; none if not "
        "given.",
    )


class TuneConfig(RunConfig):
    """Everything that decides a study: a run's description with a table ``[tune]``.

    Example:
        >>> from qhypernet.tuning._config import TuneConfig
        >>> ranges = {"objective.weight": {"low": 1, "high": 1000, "log": True}}
        >>> content = {"data": {"source": "moons"}, "tune": {"ranges": ranges}}
        >>> TuneConfig.parse(content, "study").tune.metrics
        ('nll',)
    """

    tune: Tune

    def run(self) -> RunConfig:
        """The description without the search."""
        return RunConfig.parse(self.model_dump(mode="json", exclude={"tune"}), "run")

    def identity(self) -> str:
        """The description without what may change while the study goes on: its length and name.

        Without defaults, too, so that fields which later versions add do not make it another.
        """
        return tomli_w.dumps(
            self.model_dump(
                mode="json",
                exclude_none=True,
                exclude_defaults=True,
                exclude={"tune": {"trials", "name"}},
            )
        )

    def check(self) -> None:
        """Refuses what no trial could do.

        Raises:
            ValueError: Names the field.
        """
        if self.hardware is not None:
            raise ValueError("hardware: expected none: trials are simulated")
        tune, run = self.tune, self.run()
        for name, values in tune.ranges.items():
            for fixed, reason in _FIXED.items():
                if name == fixed or name.startswith(f"{fixed}."):
                    raise ValueError(f"tune.ranges: expected no {name}: {reason}")
            for value in values.ends:
                _at(f"tune.ranges, {name}", run, {name: value})
            if values.step is not None and values.step % 1 and self.is_whole(name):
                raise ValueError(f"tune.ranges, {name}: expected a whole step, got {values.step:g}")
        for known in tune.known:
            for name, value in known.items():
                if name not in tune.ranges:
                    near = _check.near(name, tune.ranges)
                    raise ValueError(f"tune.known: expected names with a range, got {name!r}{near}")
                tune.ranges[name].stored(f"tune.known, {name}", value)
            _at("tune.known", run, known)
        self._check_metrics()
        self._check_sampler()

    def _check_metrics(self) -> None:
        tune = self.tune
        if not tune.metrics:
            raise ValueError("tune.metrics: expected what to search for, as in nll, got none")
        if len(set(tune.metrics)) < len(tune.metrics):
            raise ValueError(f"tune.metrics: expected each once, got {list(tune.metrics)}")
        if "success_rate" in tune.metrics and tune.success is None:
            raise ValueError(
                "tune.success: expected what success_rate counts, as in "
                'success = { metric = "kl", threshold = 1.0 }, got none'
            )
        if "circuit_runs" in tune.metrics and self.training.shots is None:
            raise ValueError(
                "tune.metrics: expected training.shots for circuit_runs, got exact simulation, "
                "which measures nothing"
            )
        if tune.prune_every is not None and len(tune.metrics) > 1:
            raise ValueError(
                "tune.prune_every: expected a single metric, got "
                f"{len(tune.metrics)}: trials that differ in two ways have no median"
            )

    def _check_sampler(self) -> None:
        tune = self.tune
        if tune.sampler == "cmaes" and len(tune.metrics) > 1:
            raise ValueError(
                f"tune.sampler: expected tpe, gp, random or grid for {len(tune.metrics)} metrics, "
                "got cmaes, which takes one"
            )
        if tune.sampler != "grid":
            return
        if tune.known:
            raise ValueError("tune.known: expected none with grid, which tries everything")
        for name, values in tune.ranges.items():
            if values.choices is None and values.step is None and not self.is_whole(name):
                raise ValueError(
                    f"tune.ranges, {name}: expected choices or a step for grid, got an interval "
                    "with any number of values"
                )

    def is_whole(self, name: str) -> bool:
        """Whether a range that is an interval is one of whole numbers."""
        low = self.tune.ranges[name].low
        value = self.run().replace({name: low}).value(name)
        return isinstance(value[0] if isinstance(value, tuple) else value, int)


def _at(where: str, run: RunConfig, values: dict[str, Any]) -> RunConfig:
    try:
        return run.replace(values)
    except ValueError as error:
        raise ValueError(f"{where}: {str(error).removeprefix('values: ')}") from None
