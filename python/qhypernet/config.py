"""The description of a run: what ``qhypernet train`` takes from its options or a TOML file."""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import tomli_w
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError

from qhypernet import _check, ansatz, datasets
from qhypernet.circuits import Circuit
from qhypernet.gradients import SPSA, Gradient, ParameterShift, chosen
from qhypernet.kernels import HammingKernel
from qhypernet.mitigation import ReadoutMitigation
from qhypernet.networks import BinaryNetwork
from qhypernet.objectives import OBJECTIVES, Objective
from qhypernet.optimizers import OPTIMIZERS, Optimizer
from qhypernet.priors import BernoulliPrior
from qhypernet.samplers import Sampler
from qhypernet.schedules import Schedule
from qhypernet.stopping import EarlyStopping

__all__ = [
    "CircuitConfig",
    "DataConfig",
    "HardwareConfig",
    "NetworkConfig",
    "ObjectiveConfig",
    "RunConfig",
    "ScheduleConfig",
    "TrainingConfig",
]

_HARDWARE_SHOTS = 1000
"""Of each setting, where a run on hardware does not say how many."""


class Section(BaseModel):
    """A table of a description; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ScheduleConfig(Section):
    """A number that changes during training."""

    start: float
    end: float
    shape: Literal["geometric", "linear", "cosine"] = "geometric"
    fraction: Annotated[float, Field(gt=0, le=1)] = 1.0

    def build(self) -> Schedule:
        """The schedule."""
        return Schedule(self.start, self.end, self.shape, self.fraction)


def _parse_number(value: object) -> object:
    """Numbers as the command line writes them: ``30``, ``3000:30`` or ``3000:30:linear``."""
    if not isinstance(value, str):
        return value
    start, *rest = value.split(":")
    try:
        if not rest:
            return float(value)
        return {"start": float(start), "end": float(rest[0]), **_shape(rest[1:])}
    except ValueError:
        message = "expected a number, or a schedule such as 3000:30 or 3000:30:linear"
        raise ValueError(message) from None


def _shape(rest: list[str]) -> dict[str, str]:
    if len(rest) > 1:
        raise ValueError
    return {"shape": rest[0]} if rest else {}


Number = Annotated[float | ScheduleConfig, BeforeValidator(_parse_number)]


class DataConfig(Section):
    """Where the data come from."""

    source: str = Field(description="A built-in data set, or the path of a CSV file.")
    target: str | None = Field(default=None, description="The column to predict, for CSV files.")
    classes: tuple[int, ...] | None = Field(default=None, description="Which digits, for digits.")
    n_samples: Annotated[int, Field(ge=2)] | None = Field(
        default=None, description="Training points, for synthetic data."
    )
    n_features: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Features kept, for digits and breast_cancer."
    )
    regression: bool = Field(
        default=False, description="Whether a CSV file's target is a quantity."
    )
    seed: Annotated[int, Field(ge=0, lt=2**64)] = Field(
        default=0, description="Seed of draw and split."
    )


def _names(value: object) -> object:
    """Names as the command line writes them: ``tanh`` or ``sign,tanh``."""
    return tuple(value.split(",")) if isinstance(value, str) else value


Activations = Annotated[
    tuple[Literal["sign", "tanh", "relu", "sigmoid", "identity"], ...],
    BeforeValidator(_names),
    PlainSerializer(lambda names: names[0] if len(names) == 1 else list(names)),
]


def _listed(value: object) -> object:
    """One number for a list of one: so it can be a range, too."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return (value,) if is_number else value


Widths = Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(_listed)]
Bandwidths = Annotated[tuple[Annotated[float, Field(gt=0)], ...], BeforeValidator(_listed)]


class NetworkConfig(Section):
    """The binary network; inputs and outputs follow from the data."""

    hidden: Widths = Field(default=(), description="Hidden units a layer.")
    activation: Activations = Field(
        default=("sign",), description="Of the hidden units; of 2 or 4, bits choose one a layer."
    )
    removable: bool = Field(
        default=False, description="Whether a bit for each hidden unit can switch it off."
    )
    bias: bool = True
    logit_scale: Annotated[float, Field(gt=0)] = 1.0
    noise: Annotated[float, Field(gt=0)] | None = Field(
        default=None,
        description="Standard deviation of the noise, for regression, in that of the training "
        "targets; 0.3 if not given.",
    )
    p_plus: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.5, description="Prior probability of the weight +1."
    )


class CircuitConfig(Section):
    """The circuit, one qubit a weight."""

    ansatz: Literal["hardware_efficient", "brickwork", "sign_symmetric"] = "hardware_efficient"
    layers: Annotated[int, Field(ge=1, le=10_000)] = 1


class ObjectiveConfig(Section):
    """What is minimised."""

    name: Literal[
        "mle",
        "elbo",
        "selbo",
        "root_mmd",
        "forward_kl",
        "renyi",
        "jensen_shannon",
        "total_variation",
        "hellinger",
        "ksd",
    ] = "selbo"
    weight: Number | None = Field(
        default=None,
        description="The divergence's weight: if not given 30 for SELBO and 1 for others.",
    )
    bandwidths: Bandwidths | None = Field(
        default=None,
        description="Of the kernel of SELBO, root_mmd and ksd; sqrt(n/2) if not given.",
    )
    alpha: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="Order of renyi; 0.5 if not given."
    )


class TrainingConfig(Section):
    """How it is minimised."""

    inits: Annotated[int, Field(ge=1)] = 10
    steps: Annotated[int, Field(ge=1)] = 200
    start: Literal["random", "near_uniform", "near_identity"] = "random"
    optimizer: Literal["adam", "sgd", "lbfgsb"] = "adam"
    learning_rate: Number | None = Field(
        default=None, description="0.1 for adam and 0.001 for sgd, if not given."
    )
    momentum: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        default=None, description="Of sgd; 0.9 if not given."
    )
    batch_size: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Points of a step, drawn anew each time; all if not given."
    )
    patience: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Steps without a fall after which a start stops."
    )
    ground_truth: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Look how far the posterior is every so many steps."
    )
    gradient: Literal["exact", "sampled", "parameter_shift", "spsa"] | None = Field(
        default=None, description="exact without shots and sampled with them, if not given."
    )
    shots: Annotated[int, Field(ge=2)] | None = Field(
        default=None,
        description="Simulated measurements, of each setting in a step; exact if not given.",
    )
    seed: Annotated[int, Field(ge=0, lt=2**64)] = 0


class HardwareConfig(Section):
    """Where samples come from, for a run on a device or on what stands in for one."""

    backend: str = Field(
        description="A device's name, least_busy, a fake one such as fake_manila, or aer."
    )
    mode: Literal["job", "batch", "session"] = "job"
    dynamical_decoupling: Literal["XX", "XpXm", "XY4"] | None = None
    twirling: bool = False
    optimization_level: Annotated[int, Field(ge=0, le=3)] = 3
    transpiler_seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    mitigation: Literal["mthree"] | None = Field(
        default=None, description="Readout correction in training and evaluation; experimental."
    )
    calibration_shots: Annotated[int, Field(ge=1)] = 10_000
    evaluation_shots: Annotated[int, Field(ge=2)] = 4000


class RunConfig(Section):
    """Everything that decides a run's result."""

    data: DataConfig
    network: NetworkConfig = NetworkConfig()
    circuit: CircuitConfig = CircuitConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    training: TrainingConfig = TrainingConfig()
    hardware: HardwareConfig | None = None

    @classmethod
    def parse(cls, content: dict[str, Any], where: str) -> Self:
        """Checks a description.

        Raises:
            ValueError: Names every field that is wrong, what was expected, and near names of
                unknown ones.
        """
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            lines = [_explain(cls, each) for each in error.errors()]
            raise ValueError(f"{where}: " + "; ".join(lines)) from None

    def replace(self, values: Mapping[str, object]) -> Self:
        """The same description with other values, by names such as ``objective.weight``.

        A value of a table inside a section is named as ``objective.weight.start``.

        Raises:
            ValueError: Names a field that is unknown or a value that does not fit.

        Example:
            >>> from qhypernet.config import RunConfig
            >>> config = RunConfig.parse({"data": {"source": "moons"}}, "options")
            >>> config.replace({"objective.weight": 10, "circuit.layers": 4}).circuit.layers
            4
        """
        content = self.model_dump(mode="json", exclude_none=True)
        for name, value in values.items():
            section, *path = name.split(".")
            if section not in content:
                near = _check.near(section, content)
                raise ValueError(f"{name}: no such section{near}; there are {', '.join(content)}")
            table = content[section]
            for part in path[:-1]:
                if not isinstance(table.get(part), dict):
                    raise ValueError(
                        f"{name}: expected {section}.{part} to be a schedule with a start and an "
                        f"end, got {table.get(part)!r}"
                    )
                table = table[part]
            table["".join(path[-1:])] = value
        return self.parse(content, "values")

    def value(self, name: str) -> Any:
        """The value of a field by its name, such as ``objective.weight``."""
        found: Any = self
        for part in name.split("."):
            found = getattr(found, part)
        return found

    @classmethod
    def read(cls, path: Path) -> dict[str, Any]:
        """The content of a TOML file, not yet checked: the command line may add to it.

        Raises:
            ValueError: The file is not there or is not TOML.
        """
        try:
            return tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ValueError(f"config: expected a TOML file, got {path}: no such file") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise ValueError(f"config: expected a TOML file, got {path}: {error}") from None

    def to_toml(self) -> str:
        """The description with every default written out, as :meth:`read` takes it."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    @property
    def classical_note(self) -> str:
        """What must be said of a circuit of one layer; empty for more."""
        if self.circuit.layers > 1:
            return ""
        return (
            "One layer is classical: independent bits whose outcomes are relabelled by XORs (mean "
            "field, for brickwork). No quantum effect is involved; --layers 4 makes the circuit "
            "interfere."
        )

    def load_data(self) -> datasets.Dataset:
        """The data."""
        return datasets.load(
            self.data.source,
            target=self.data.target,
            classes=self.data.classes,
            n_samples=self.data.n_samples,
            n_features=self.data.n_features,
            regression=self.data.regression,
            seed=self.data.seed,
        )

    def build_network(self, data: datasets.Dataset) -> BinaryNetwork:
        """The network for these data: one output a class, but one for two classes or a quantity."""
        noise = self.network.noise
        if data.n_classes and noise is not None:
            raise ValueError(
                f"network.noise: expected none for classification, got {noise} for {data.name}"
            )
        outputs = data.n_classes if data.n_classes > 2 else 1
        return BinaryNetwork(
            (data.n_features, *self.network.hidden, outputs),
            self.network.activation,
            self.network.bias,
            logit_scale=self.network.logit_scale,
            likelihood=None if data.n_classes else "gaussian",
            removable=self.network.removable,
            noise=0.3 if noise is None else noise,
        )

    def build_prior(self, net: BinaryNetwork) -> BernoulliPrior:
        """The prior over the network's weights."""
        return BernoulliPrior(net.n_weights, self.network.p_plus)

    def build_circuit(self, net: BinaryNetwork) -> Circuit:
        """The circuit for the network's weights."""
        if self.circuit.ansatz == "sign_symmetric":
            return ansatz.sign_symmetric(net, self.circuit.layers)
        build = getattr(ansatz, self.circuit.ansatz)
        circuit: Circuit = build(net.n_weights, self.circuit.layers)
        return circuit

    def build_objective(self) -> Objective:
        """The objective."""
        name, bandwidths = self.objective.name, self.objective.bandwidths
        given = {
            "weight": _number(self.objective.weight),
            "bandwidths": bandwidths and HammingKernel(bandwidths),
            "alpha": self.objective.alpha,
        }
        arguments = {_ARGUMENTS.get((name, field), field): value for field, value in given.items()}
        takes = inspect.signature(OBJECTIVES[name]).parameters
        for argument, field in zip(arguments, given, strict=True):
            if argument not in takes and given[field] is not None:
                raise ValueError(
                    f"objective.{field}: expected none for {name}, which has {_no(field)}"
                )
        return OBJECTIVES[name](**{k: v for k, v in arguments.items() if v is not None})

    def build_gradient(self, sampler: Sampler | None = None) -> Gradient:
        """The gradient, with samples from ``sampler`` for a run on hardware."""
        shots = self.training.shots
        if self.hardware is None:
            name = self.training.gradient or ("exact" if shots is None else "sampled")
            return chosen(name, shots, self.build_objective())
        kind = self.training.gradient or "parameter_shift"
        if kind not in ("parameter_shift", "spsa"):
            raise ValueError(
                f"training.gradient: expected 'parameter_shift' or 'spsa' on hardware, got {kind!r}"
            )
        found = chosen(kind, shots or _HARDWARE_SHOTS, self.build_objective())
        assert isinstance(found, ParameterShift | SPSA)
        calibration = self.hardware.calibration_shots
        return replace(
            found,
            sampler=sampler or found.sampler,
            mitigation=ReadoutMitigation(calibration) if self.hardware.mitigation else None,
        )

    def build_optimizer(self) -> Optimizer:
        """The optimiser."""
        kind = OPTIMIZERS[self.training.optimizer]
        given = {
            "learning_rate": _number(self.training.learning_rate),
            "momentum": self.training.momentum,
        }
        takes = inspect.signature(kind).parameters
        for field, value in given.items():
            if field not in takes and value is not None:
                raise ValueError(f"training.{field}: expected none for {kind.name}, got {value}")
        return kind(**{field: value for field, value in given.items() if value is not None})

    def build_stopping(self) -> EarlyStopping | None:
        """When a start has trained enough, if that is to be looked at."""
        return None if self.training.patience is None else EarlyStopping(self.training.patience)


_ARGUMENTS = {("elbo", "weight"): "beta"} | {
    (name, "bandwidths"): "kernel" for name in ("selbo", "root_mmd", "ksd")
}
"""What an objective calls a field, where that is not the field's own name."""


def _no(field: str) -> str:
    return {"weight": "no regulariser", "bandwidths": "no kernel", "alpha": "no order"}[field]


_NAME = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*")


def _table(annotation: Any) -> type[BaseModel] | None:
    """The kind of table that a field can hold; None if it holds none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_table, get_args(annotation))), None)


def _number(value: float | ScheduleConfig | None) -> float | Schedule | None:
    return value.build() if isinstance(value, ScheduleConfig) else value


def _explain(section: type[BaseModel], error: Any) -> str:
    """One of pydantic's errors in a line, with near names for an unknown field."""
    # Members of a union add parts to the place that no user has written.
    parts = [str(part) for part in error["loc"]]
    place = [part for part in parts if _NAME.fullmatch(part) and part != "float"]
    name = ".".join(place)
    if error["type"] == "extra_forbidden":
        for part in place[:-1]:
            if part in section.model_fields:  # Else it is the user's own name of a table.
                section = _table(section.model_fields[part].annotation) or section
        known = section.model_fields
        return f"{name}: no such field{_check.near(place[-1], known)}; there are {', '.join(known)}"
    message = error["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    got = "" if ", got " in message else f", got {error['input']!r}"
    return f"{name}: {message[0].lower()}{message[1:]}{got}"
