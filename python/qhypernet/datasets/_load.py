"""One door to all data sets by name or path: what the command line calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from qhypernet import _check
from qhypernet.datasets._bundled import breast_cancer, digits
from qhypernet.datasets._csv import read_csv
from qhypernet.datasets._dataset import Dataset
from qhypernet.datasets._synthetic import gaussian, moons, rings, wave

_SYNTHETIC: dict[str, Callable[[int, int], Dataset]] = {
    "gaussian": gaussian,
    "moons": moons,
    "rings": rings,
    "wave": wave,
}
_NAMES = (*_SYNTHETIC, "digits", "breast_cancer")


def names() -> tuple[str, ...]:
    """Return the names of the built-in data sets.

    Example:
        >>> names()
        ('gaussian', 'moons', 'rings', 'wave', 'digits', 'breast_cancer')
    """
    return _NAMES


def load(
    name_or_path: str,
    *,
    target: str | None = None,
    classes: Sequence[int] | None = None,
    n_samples: int | None = None,
    n_features: int | None = None,
    regression: bool = False,
    seed: int = 0,
) -> Dataset:
    """Return the built-in data set of that name, or else the one in the CSV file of that path.

    Args:
        name_or_path: one of :func:`names`, or the path of a CSV file. A file that is called like
            a built-in data set is reached as ``./moons``.
        target: column to predict; needed for a CSV file, refused otherwise.
        classes: digits to tell apart (default 0 and 1); for ``digits`` only.
        n_samples: number of training points (default 200); for the synthetic data sets only.
        n_features: how many leading principal components stand for the pixels of ``digits``
            (default: the pixels), or how many features of ``breast_cancer`` are kept (default 8).
        regression: whether a CSV file's target is a quantity, rather than a class.
        seed: 0 <= seed < 2**64.

    Raises:
        ValueError: if the name is unknown and no file, if an option does not belong to the data
            set, or whatever the data set itself refuses.

    Example:
        >>> load("digits", classes=(4, 9)).class_names
        ('4', '9')
    """
    given = {
        "target": target,
        "classes": classes,
        "n_samples": n_samples,
        "n_features": n_features,
        "regression": regression or None,
    }
    if name_or_path in _SYNTHETIC:
        _refuse(name_or_path, given, "n_samples")
        return _SYNTHETIC[name_or_path](200 if n_samples is None else n_samples, seed)
    if name_or_path == "digits":
        _refuse(name_or_path, given, "classes", "n_features")
        return digits((0, 1) if classes is None else classes, seed, n_features=n_features)
    if name_or_path == "breast_cancer":
        _refuse(name_or_path, given, "n_features")
        return breast_cancer(seed, n_features=8 if n_features is None else n_features)
    path = Path(name_or_path)
    # A bare word is a misspelt name rather than a lost file.
    if not path.exists() and not path.suffix and path.name == name_or_path:
        raise ValueError(
            f"data: expected one of {', '.join(_NAMES)} or the path of a CSV file, "
            f"got {name_or_path!r}{_check.near(name_or_path, _NAMES)}"
        )
    _refuse(name_or_path, given, "target", "regression")
    return read_csv(path, "" if target is None else target, seed, regression=regression)


def _refuse(name: str, given: Mapping[str, object], *allowed: str) -> None:
    """Raise on an option that the data set would silently ignore."""
    for option, value in given.items():
        if value is not None and option not in allowed:
            raise ValueError(f"{option}={value!r} has no meaning for the data set {name!r}")
