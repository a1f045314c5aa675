"""A study in a folder: its description, its trials, and the best of them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna import Study as OptunaStudy
from optuna import Trial, load_study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from qhypernet import storage
from qhypernet.config import RunConfig
from qhypernet.tuning import CONFIG, _storage
from qhypernet.tuning._config import MINIMISED, TuneConfig

if TYPE_CHECKING:
    import pandas as pd

DESCRIPTION, DATA, SCORES, ERROR = "description", "data", "scores", "error"
"""What a study and its trials carry with them."""


@dataclass(frozen=True)
class Study:
    """A study: what was searched, and what its trials found."""

    folder: Path
    config: TuneConfig
    optuna: OptunaStudy
    """Optuna's own view, for all that it offers."""

    @property
    def trials(self) -> list[FrozenTrial]:
        """The trials that have ended, in their order."""
        return [t for t in self.optuna.get_trials(deepcopy=False) if t.state.is_finished()]

    def count(self, state: TrialState) -> int:
        """How many trials have ended so."""
        return sum(trial.state == state for trial in self.trials)

    @property
    def best(self) -> list[FrozenTrial]:
        """The best trial; of several metrics, all that no other is better than in every one."""
        if not self.count(TrialState.COMPLETE):
            return []
        if len(self.config.tune.metrics) == 1:
            return [self.optuna.best_trial]
        return sorted(self.optuna.best_trials, key=lambda trial: trial.number)

    def values(self, trial: Trial | FrozenTrial) -> dict[str, Any]:
        """The values that a trial had, by the names of the fields."""
        ranges, params = self.config.tune.ranges, trial.params
        return {name: ranges[name].value(params[name]) for name in ranges if name in params}

    def description(self, trial: Trial | FrozenTrial) -> RunConfig:
        """The run that a trial stands for, to be trained on the whole training part."""
        return self.config.run().replace(self.values(trial))

    def files(self) -> dict[Path, FrozenTrial]:
        """Where the descriptions of the best trials are written."""
        single = len(self.config.tune.metrics) == 1
        return {
            self.folder / ("best.toml" if single else f"best-{trial.number}.toml"): trial
            for trial in self.best
        }

    def write_best(self) -> None:
        """Writes the descriptions of the best trials, as ``qhypernet train --config`` takes them.

        Raises:
            OSError: They cannot be written.
        """
        files = self.files()
        for path, trial in files.items():
            storage.write_text(path, self.description(trial).to_toml())
        for old in self.folder.glob("best-*.toml"):
            if old not in files:
                old.unlink()

    def table(self) -> pd.DataFrame:
        """One row a trial that has ended: state, values, every metric's mean over starts, error."""
        import pandas as pd

        rows = [
            {"trial": trial.number, "state": trial.state.name.lower()}
            | self.values(trial)
            | trial.user_attrs.get(SCORES, {}).get("mean", {})
            | {ERROR: trial.user_attrs.get(ERROR)}
            for trial in self.trials
        ]
        return pd.DataFrame(rows)


def directions(config: TuneConfig) -> list[StudyDirection]:
    """Which way is better, for each metric."""
    ways = (StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE)
    return [ways[MINIMISED[name]] for name in config.tune.metrics]


def stored_config(folder: Path) -> TuneConfig | None:
    """The description of the study that a folder holds; None where there is none."""
    path = folder / CONFIG
    return TuneConfig.parse(TuneConfig.read(path), str(path)) if path.is_file() else None


def store_config(folder: Path, config: TuneConfig) -> None:
    """Writes a description into a folder."""
    storage.write_text(folder / CONFIG, config.to_toml())


def read_study(folder: str | Path, storage: str | None = None) -> Study:
    """Reads a study.

    Args:
        folder: Where it is.
        storage: The address of its trials, if they are not in the folder.

    Raises:
        ValueError: There is no study, or its storage cannot be reached.
    """
    folder = Path(folder)
    config = stored_config(folder)
    if config is None:
        hint = "the folder holds none" if folder.is_dir() else "there is no such folder"
        raise ValueError(f"study: expected a folder with a study, got {folder}: {hint}")
    if storage is None and not _storage.has_journal(folder):
        raise ValueError(
            f"storage: expected the address of the trials of {folder}, which are not in the folder"
        )
    try:
        found = load_study(study_name=study_name(config), storage=_storage.connect(folder, storage))
    except KeyError:
        raise ValueError(
            f"storage: expected the trials of {folder} there, got none of {study_name(config)}"
        ) from None
    check_identity(found.user_attrs.get(DESCRIPTION), config, str(folder))
    return Study(folder, config, found)


def study_name(config: TuneConfig) -> str:
    """The name that all who work on a study find it by."""
    return config.tune.name or short_name(config)


def short_name(config: TuneConfig) -> str:
    """A name that belongs to this description alone."""
    import hashlib

    short = hashlib.sha256(config.identity().encode()).hexdigest()[:8]
    return f"{Path(config.data.source).stem}-{config.objective.name}-{short}"


def check_identity(stored: str | None, config: TuneConfig, where: str) -> None:
    """Refuses a study whose stored identity is another.

    Raises:
        ValueError: Says what differs.
    """
    if stored is None or stored == config.identity():
        return
    theirs = TuneConfig.parse(tomllib.loads(stored), where).model_dump(mode="json")
    ours = config.model_dump(mode="json")
    for content in (theirs, ours):  # Which do not count.
        del content["tune"]["trials"], content["tune"]["name"]
    raise ValueError(
        f"study: {where} already holds another one, with {', '.join(_differences(theirs, ours))}; "
        "name another folder, or another tune.name in a database"
    )


def _differences(theirs: Any, ours: Any, name: str = "") -> list[str]:
    if not (isinstance(theirs, dict) and isinstance(ours, dict)):
        return [] if theirs == ours else [f"{name} = {theirs!r} (asked for: {ours!r})"]
    return [
        line
        for key in {**theirs, **ours}
        for line in _differences(theirs.get(key), ours.get(key), f"{name}.{key}".lstrip("."))
    ]
