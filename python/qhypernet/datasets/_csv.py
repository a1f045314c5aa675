"""Any CSV file as a data set. Every cell is read as text first, so that errors can quote it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qhypernet import _check
from qhypernet.datasets._dataset import (
    Dataset,
    Features,
    Labels,
    regression_split,
    standardise,
    stratified_split,
)

if TYPE_CHECKING:
    import pandas as pd

Cells = NDArray[np.object_]

# Spellings of "no number here" that common programs write; compared in lower case.
NOT_A_NUMBER = {"", "nan", "na", "n/a", "#n/a", "null", "none", "inf", "infinity"}

# More different fractions than this in the target, and it is a quantity rather than a class.
MAX_FRACTIONAL_CLASSES = 20


def read_csv(
    path: str | os.PathLike[str],
    target: str,
    seed: int = 0,
    test_fraction: float = 0.3,
    regression: bool = False,
) -> Dataset:
    """Read a data set from a CSV file: comma-separated, UTF-8, first line the column names.

    The target column may hold text, numbers or booleans; its sorted values (by number if all are
    numbers) are the classes. Every other column is a feature and must hold finite numbers.
    Stratified split; features are standardised by the training part. For regression the target
    column holds finite numbers, which are standardised too, and the split is not stratified.

    Args:
        path: a local file.
        target: name of the column to predict.
        seed: 0 <= seed < 2**64; the split's ``random_state`` (hashed to 32 bits from 2**32 on).
        test_fraction: share of the rows kept for testing.
        regression: whether the target is a quantity, rather than a class.

    Raises:
        ValueError: if the file cannot be read as such a table, if the target is missing, if a cell
            is empty or not a finite number (names its column and row; row 1 is the first below the
            column names), or if the target has one class only, a class with a single row, or looks
            like a quantity without ``regression``, or is a constant one with it.

    Example:
        >>> import tempfile, pathlib
        >>> file = pathlib.Path(tempfile.mkdtemp()) / "tea.csv"
        >>> _ = file.write_text("minutes,cups,verdict\\n" + "3,1,good\\n5,1,bitter\\n" * 10)
        >>> data = read_csv(file, target="verdict")
        >>> data.feature_names, data.class_names, data.X_train.shape
        (('minutes', 'cups'), ('bitter', 'good'), (14, 2))
    """
    _check.seed(seed)
    _check.number("test_fraction", test_fraction, above=0, below=1)
    path = Path(path)
    columns, cells = _read_table(path)
    if not target:
        raise ValueError(
            f"target: expected the column of {path} to predict, one of {columns}, got none"
        )
    if target not in columns:
        hint = _check.near(target, columns)
        if len(columns) == 1 and any(mark in columns[0] for mark in ";\t|"):
            hint = "; the file seems not to be separated by commas"
        raise ValueError(f"target: expected a column of {path} ({columns}), got {target!r}{hint}")
    feature_names = tuple(column for column in columns if column != target)
    if not feature_names:
        raise ValueError(f"path: {path} has no feature columns, only the target {target!r}")

    def features() -> Features:
        return np.column_stack([_numbers(cells[:, columns.index(k)], k) for k in feature_names])

    if regression:
        values = _numbers(cells[:, columns.index(target)], target, "a target of regression")
        if len(np.unique(values)) < 2:
            raise ValueError(f"target={target!r} is {values[0]:g} in every row")
        X_train, X_test, v_train, v_test = regression_split(features(), values, test_fraction, seed)
        return Dataset(
            path.stem, X_train, v_train, X_test, v_test, feature_names, (), target_name=target
        )
    y, class_names = _classes(cells[:, columns.index(target)], target)
    X_train, X_test, y_train, y_test = stratified_split(features(), y, test_fraction, seed)
    X_train, X_test = standardise(X_train, X_test)
    return Dataset(path.stem, X_train, y_train, X_test, y_test, feature_names, class_names)


def _read_table(path: Path) -> tuple[list[str], Cells]:
    """Return the column names and the cells below them, as stripped text."""
    import pandas as pd

    if not path.is_file():
        problem = "is not a file" if path.exists() else "does not exist"
        raise ValueError(f"path: {path} {problem}")
    try:
        # Column names are read as an ordinary row: pandas would rename repeated ones and take a
        # first column without a name for an index, both silently.
        with path.open(encoding="utf-8-sig", newline="") as file:
            frame = pd.read_csv(file, header=None, dtype=str, keep_default_na=False)
    except OSError as error:
        raise ValueError(f"path: {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"path: {path} is not UTF-8 text ({error})") from error
    except pd.errors.EmptyDataError:
        raise ValueError(f"path: {path} is empty") from None
    except pd.errors.ParserError as error:
        raise ValueError(f"path: {path} is not a table of commas: {error}") from error
    table = _text(frame)
    columns = [str(name) for name in table[0]]
    for number, name in enumerate(columns, start=1):
        if not name:
            raise ValueError(
                f"path: column {number} of {path} has no name. If it numbers the rows, write the "
                "file without it (in pandas: to_csv(..., index=False))"
            )
        if columns.count(name) > 1:
            raise ValueError(f"path: {path} has more than one column named {name!r}")
    if len(table) == 1:
        raise ValueError(f"path: {path} has column names but no rows")
    return columns, table[1:]


def _text(frame: pd.DataFrame) -> Cells:
    # Rows that end early come as missing values even though empty cells come as "".
    cells: Cells = np.empty(frame.shape, dtype=object)
    for j in range(frame.shape[1]):
        cells[:, j] = frame.iloc[:, j].fillna("").astype(str).str.strip().to_numpy(dtype=object)
    return cells


def _parse(cells: Cells) -> NDArray[Any]:
    """Return the cells as numbers, int64 if all are integers, with NaN for what is none."""
    import pandas as pd

    numbers: NDArray[Any] = np.asarray(pd.to_numeric(pd.Series(cells), errors="coerce"))
    return numbers


def _numbers(cells: Cells, column: str, what: str = "feature columns") -> Features:
    """Return a column as float64, or raise at its first cell that is not a number."""
    values = _parse(cells).astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        _raise_bad_cell(column, int(bad[0]), cells[bad[0]], f"{what} must hold finite numbers")
    return values


def _raise_bad_cell(column: str, index: int, cell: str, otherwise: str) -> None:
    if not cell:
        what = "is empty"
    elif cell.lower().lstrip("+-") in NOT_A_NUMBER:
        what = f"is {cell!r}: every number must be finite"
    else:
        what = f"is {cell!r}: {otherwise}"
    raise ValueError(f"path: column {column!r}, row {index + 1} {what}")


def _classes(cells: Cells, target: str) -> tuple[Labels, tuple[str, ...]]:
    """Return the class index of every row and the class names in that order."""
    empty = np.flatnonzero(cells == "")
    if empty.size:
        _raise_bad_cell(target, int(empty[0]), "", "")
    values = _parse(cells)
    bad = np.flatnonzero(~np.isfinite(values))
    if any(cells[i].lower().lstrip("+-") not in NOT_A_NUMBER for i in bad):
        values = cells  # some cell is plain text, so all of them are names
    elif bad.size == len(cells):
        values = cells  # "NA" and nothing else: a (single) name rather than a lost number
    elif bad.size:
        _raise_bad_cell(target, int(bad[0]), cells[bad[0]], "")
    elif np.all(values == np.floor(values)):
        if np.all(np.abs(values) < 2**53):  # beyond, a float is no exact integer
            values = values.astype(np.int64)  # "1.0" is the class "1"
    elif len(fractions := np.unique(values[values != np.floor(values)])) > MAX_FRACTIONAL_CLASSES:
        raise ValueError(
            f"target={target!r} has {len(fractions)} different fractional values: this looks like "
            "regression; give regression=True (--regression), or a column of classes"
        )
    distinct, y, counts = np.unique(values, return_inverse=True, return_counts=True)
    names = tuple(str(value) for value in distinct)
    if len(names) < 2:
        raise ValueError(f"target={target!r} has one class only, {names[0]!r}; two are needed")
    if counts.min() < 2:
        rare = names[int(counts.argmin())]
        raise ValueError(
            f"target={target!r}: class {rare!r} has a single row; each class needs two, one to "
            "train and one to test"
        )
    return y.astype(np.int64), names
