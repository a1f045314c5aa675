"""CSV files: what is read, and what is refused with which words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qhypernet import datasets


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


def test_reads_features_and_text_classes(file: Path) -> None:
    rng = np.random.default_rng(11)
    a, b = rng.normal(3, 2, 40), rng.integers(0, 9, 40)
    kind = np.where(a > 3, "pear", "apple")
    lines = [f'{x!r},{k},"{n}"' for x, k, n in zip(a.tolist(), kind, b, strict=True)]
    # A byte-order mark, Windows line ends and blank lines, as spreadsheets write them.
    file.write_bytes(("\ufeffa, kind ,b\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode())
    data = datasets.load(str(file), target="kind", seed=6)
    assert data.name == "table"
    assert data.feature_names == ("a", "b")
    assert data.class_names == ("apple", "pear")
    assert (data.X_train.shape, data.X_test.shape) == ((28, 2), (12, 2))
    np.testing.assert_allclose(data.X_train.std(axis=0), 1)
    # Every row keeps its label: in standardised units the classes still part at a = 3.
    X, y = np.vstack([data.X_train, data.X_test]), np.r_[data.y_train, data.y_test]
    assert X[y == 0, 0].max() < X[y == 1, 0].min()
    # ... and its other feature: the pairs (a, b) are the file's, up to one affine map a column.
    order = np.argsort(a)
    assert np.corrcoef(X[np.argsort(X[:, 0]), 1], b[order])[0, 1] == pytest.approx(1)


@pytest.mark.parametrize(
    ("labels", "class_names"),
    [
        (("10", "9"), ("9", "10")),  # numbers sort as numbers
        (("1.0", "0.0"), ("0", "1")),
        (("-1", "1"), ("-1", "1")),
        (("0.5", "0.25"), ("0.25", "0.5")),
        (("True", "False"), ("False", "True")),
        (("NA", "EU", "3"), ("3", "EU", "NA")),  # beside text, NA is a name
        (("b", "a", "c"), ("a", "b", "c")),
        (("9223372036854775807", "1"), ("1", "9223372036854775807")),
    ],
)
def test_target_of_any_type(
    file: Path, labels: tuple[str, ...], class_names: tuple[str, ...]
) -> None:
    rows = [f"{label},{i}" for i, label in enumerate(labels * 10)]
    file.write_text("t,x\n" + "\n".join(rows))
    data = datasets.read_csv(file, "t")
    assert data.class_names == class_names
    # x = i, so the position in `labels` is i modulo their number.
    x = np.r_[data.X_train[:, 0], data.X_test[:, 0]].argsort().argsort()
    y = np.r_[data.y_train, data.y_test]
    for i, k in zip(x, y, strict=True):
        assert class_names[k] in (labels[i % len(labels)], labels[i % len(labels)][:-2])


def test_constant_feature_becomes_zero(file: Path) -> None:
    file.write_text("x,c,t\n" + "".join(f"{i},0.1,{i % 2}\n" for i in range(20)))
    data = datasets.read_csv(file, "t")
    assert np.all(data.X_train[:, 1] == 0)
    assert np.all(data.X_test[:, 1] == 0)


GOOD = "1,2,no\n2,3,yes\n" * 5
REGRESSION = "x,t\n" + "".join(f"{i},{i / 7 + 0.01:.4f}\n" for i in range(60))


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        ("", "t", "is empty"),
        ("x,t\n", "t", "has column names but no rows"),
        ("x,z,t\n" + GOOD, "", r"target: expected .*\['x', 'z', 't'\], got none"),
        ("size,z,label\n" + GOOD, "lable", r"target: .*\['size', 'z', 'label'\].*'lable'"),
        ("size,z,label\n" + GOOD, "lable", "did you mean 'label'"),
        ("x;t\n1;a\n2;b\n", "t", "not to be separated by commas"),
        ("x,z,t\n" + GOOD + "1,red,no\n", "t", "column 'z', row 11 is 'red': feature columns must"),
        ("x,z,t\n" + GOOD + "1,,no\n", "t", "column 'z', row 11 is empty"),
        ("x,z,t\n" + GOOD + "1\n", "t", "column 't', row 11 is empty"),
        ("x,z,t\n" + GOOD + "1,nan,no\n", "t", "column 'z', row 11 is 'nan': .* finite"),
        ("x,z,t\n" + GOOD + "-inf,2,no\n", "t", "column 'x', row 11 is '-inf': .* finite"),
        ("x,z,t\n" + GOOD + "1e999,2,no\n", "t", "column 'x', row 11 is '1e999': .* finite"),
        ("x,t\n1,0\n2,1\n3,NA\n4,0\n5,1\n", "t", "column 't', row 3 is 'NA': .* finite"),
        ("x,t\n1,a\n2,a\n3,a\n", "t", "one class only, 'a'"),
        ("x,t\n" + "1,a\n2,b\n" * 3 + "4,c\n", "t", "class 'c' has a single row"),
        ("t\na\nb\n", "t", "no feature columns, only the target 't'"),
        (REGRESSION, "t", "60 different fractional values: this looks like regression"),
        ("x,x,t\n" + GOOD, "t", "more than one column named 'x'"),
        (",x,t\n" + GOOD, "t", r"column 1 of .* has no name.*index=False"),
        ("x,t\n1,a,7\n2,b,7\n", "t", "not a table of commas"),
        ("x,t\n1,a\n2,b\n1,a\n2,b\n", "t", "test_fraction=0.3 .* 2 for training|each part needs"),
    ],
)
def test_refusals_say_what_and_where(file: Path, text: str, target: str, message: str) -> None:
    file.write_text(text)
    if message.startswith("test_fraction"):
        with pytest.raises(ValueError, match=message):
            datasets.read_csv(file, target, test_fraction=0.6)
        return
    with pytest.raises(ValueError, match=message):
        datasets.read_csv(file, target)


def test_files_that_are_no_text_are_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"table\.csv does not exist"):
        datasets.read_csv(file, "t")
    with pytest.raises(ValueError, match="is not a file"):
        datasets.read_csv(tmp_path, "t")
    file.write_bytes("x,t\n1,\xe9t\xe9\n".encode("latin-1"))
    with pytest.raises(ValueError, match="is not UTF-8 text"):
        datasets.read_csv(file, "t")


def test_file_that_may_not_be_opened(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("x,t\n" + "1,a\n2,b\n" * 5)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # a super-user may open everything
    with pytest.raises(ValueError, match="cannot be read: Permission denied"):
        datasets.read_csv(file, "t")
