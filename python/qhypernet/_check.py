"""Checks of arguments. A message names the argument, what was expected and what came."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qhypernet import _core


def integer(name: str, value: object, minimum: int, maximum: int | None = None) -> int:
    """``value`` as an int of at least ``minimum``, and at most ``maximum`` where one is given."""
    expected = f"a whole number of at least {minimum}"
    if maximum is not None:
        expected = f"a whole number from {minimum} to {maximum}"
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name}: expected {expected}, got {value!r}") from None
    if number < minimum or (maximum is not None and number > maximum):
        raise ValueError(f"{name}: expected {expected}, got {number}")
    return number


def seed(value: int | None) -> int:
    """A seed below 2**64; None draws one from the operating system."""
    if value is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
    return integer("seed", value, 0, 2**64 - 1)


def number(
    name: str,
    value: object,
    *,
    above: float | None = None,
    minimum: float | None = None,
    below: float | None = None,
) -> float:
    """``value`` as a finite float inside its bounds."""
    bounds = {"above": above, "of at least": minimum, "below": below}
    words = [f"{word} {bound:g}" for word, bound in bounds.items() if bound is not None]
    expected = " ".join(["a finite number", " and ".join(words)]).strip()
    try:
        result = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise TypeError(f"{name}: expected {expected}, got {value!r}") from None
    inside = (
        (above is None or result > above)
        and (minimum is None or result >= minimum)
        and (below is None or result < below)
    )
    if not (np.isfinite(result) and inside):
        raise ValueError(f"{name}: expected {expected}, got {value!r}")
    return result


def choice(name: str, value: object, options: Iterable[str]) -> str:
    """``value`` if it is one of ``options``; else an error that shows the nearest ones."""
    known = list(options)
    if isinstance(value, str) and value in known:
        return value
    raise ValueError(
        f"{name}: expected one of {', '.join(known)}, got {value!r}{near(value, known)}"
    )


def near(value: object, options: Iterable[str]) -> str:
    """A hint such as " (did you mean 'x'?)" at the options nearest to ``value``, or nothing."""
    by_lower = {option.lower(): option for option in options}
    matches = difflib.get_close_matches(str(value).lower(), by_lower)
    if not matches:
        return ""
    return f" (did you mean {' or '.join(repr(by_lower[match]) for match in matches)}?)"


def floats(name: str, value: ArrayLike, *, shape: str | None = None) -> NDArray[np.float64]:
    """``value`` as a contiguous array of finite doubles."""
    try:
        array = np.ascontiguousarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        expected = f"numbers of shape {shape}" if shape else "numbers"
        raise TypeError(f"{name}: expected {expected}, got {_describe(value)}: {error}") from None
    if not _core.all_finite(array):
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name}: expected finite numbers, got {array[where]} at position {where}")
    return array


def bits(name: str, value: ArrayLike, n_bits: int) -> NDArray[np.uint8]:
    """``value`` as rows of ``n_bits`` bits, each 0 or 1, in a contiguous array."""
    array = np.asarray(value)
    if array.dtype.kind not in "biu":
        raise TypeError(f"{name}: expected bits (0 or 1, integers), got {_describe(array)}")
    if array.ndim != 2 or array.shape[1] != n_bits:
        raise ValueError(f"{name}: expected shape (rows, {n_bits}), got {array.shape}")
    if array.size and (array.min() < 0 or array.max() > 1):
        bad = array[(array != 0) & (array != 1)].flat[0]
        raise ValueError(f"{name}: expected bits that are 0 or 1, got {bad}")
    return np.ascontiguousarray(array, dtype=np.uint8)


def distributions(name: str, value: ArrayLike, max_ndim: int = 64) -> NDArray[np.float64]:
    """``value`` as probability vectors along the last axis."""
    array = floats(name, value)
    if not 1 <= array.ndim <= max_ndim or not array.size:
        raise ValueError(f"{name}: expected a probability vector, got shape {array.shape}")
    if array.min() < 0:
        raise ValueError(f"{name}: expected probabilities of at least 0, got {array.min()}")
    sums = array.sum(axis=-1)
    # Single-precision states keep their norm to about this.
    if not np.allclose(sums, 1, rtol=0, atol=1e-5):
        worst = np.ravel(sums)[np.argmax(abs(np.ravel(sums) - 1))]
        raise ValueError(f"{name}: expected probabilities that sum to 1, got a sum of {worst}")
    return array


def features(x: ArrayLike, n_inputs: int) -> NDArray[np.float64]:
    """``X`` as an array of shape (points, n_inputs) of finite numbers."""
    array = floats("X", x, shape=f"(points, {n_inputs})")
    if array.ndim != 2 or array.shape[1] != n_inputs or not len(array):
        raise ValueError(f"X: expected shape (points, {n_inputs}), got {array.shape}")
    return array


def _describe(value: Any) -> str:
    array = np.asarray(value, dtype=object) if not isinstance(value, np.ndarray) else value
    return f"an array of {array.dtype} of shape {array.shape}"
