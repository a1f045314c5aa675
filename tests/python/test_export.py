"""Exported networks predict what they predicted here: packed bits, ONNX, C, and draws for ArviZ."""

from __future__ import annotations

import io
import json
import re
import subprocess
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from scipy import stats
from typer.testing import CliRunner

import qhypernet as qh
from qhypernet import runs
from qhypernet.cli import app
from qhypernet.config import RunConfig
from qhypernet.export.datatree import pointwise

DIGITS = qh.datasets.digits(classes=(0, 1, 2))
MOONS = qh.datasets.moons()
QUICK: dict[str, Any] = {"n_inits": 2, "n_steps": 20, "n_samples": 60, "random_state": 0}

# (likelihood, activation, hidden, bias, components): all kinds of layers, words of several sizes.
CASES = [
    ("bernoulli", "sign", (), True, 15),
    ("bernoulli", "sign", (3,), True, None),
    ("bernoulli", "sign", (2, 3), False, None),
    ("categorical", "sign", (2, 1), True, 2),
    ("categorical", "tanh", (2,), False, 2),
    ("bernoulli", "relu", (3,), True, None),
    ("bernoulli", "sigmoid", (2,), True, 3),
    ("bernoulli", "identity", (2,), True, 2),
    ("gaussian", "tanh", (2,), True, None),
    ("gaussian", "sign", (2, 2), True, 2),
]


def model(
    likelihood: str, activation: str, hidden: tuple[int, ...], bias: bool, components: int | None
) -> tuple[Any, NDArray[np.float64]]:
    """A fitted estimator, and points to predict."""
    options = QUICK | {
        "hidden": hidden,
        "activation": activation,
        "bias": bias,
        "n_components": components,
    }
    few = (DIGITS.X_train, DIGITS.y_train, DIGITS.X_test)
    X, y, X_new = few if components else (3 + 10 * MOONS.X_train, MOONS.y_train, MOONS.X_test)
    if likelihood == "gaussian":
        y = 50 + 3 * X[:, 0] * X[:, 1]
        return qh.QHNRegressor(**options).fit(X, y), X_new
    if likelihood == "bernoulli":
        y = np.array(["no", 'a "quoted" name'])[(y > 0).astype(int)]
    return qh.QHNClassifier(**options).fit(X, y), X_new


def predicted(fitted: Any, X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities, or mean and variance, shape (D, K)."""
    if isinstance(fitted, qh.QHNRegressor):
        return np.stack([fitted.predict(X), fitted.predict_uncertainty(X).total], axis=1)
    return np.asarray(fitted.predict_proba(X))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_packed_bits_are_read_back(case: Any, tmp_path: Path) -> None:
    fitted, X = model(*case)
    qh.export.to_npz(fitted, tmp_path / "m.npz")
    again = qh.export.from_npz(tmp_path / "m.npz")
    assert np.array_equal(again.bits, fitted.networks_)
    inputs = (X - again.mean) @ again.matrix
    mean = again.net.averages(inputs, again.weights, again.bits)[0]
    if case[0] == "gaussian":
        mean = again.target[0] + again.target[1] * mean
    expected = predicted(fitted, X)[:, : mean.shape[1]]
    np.testing.assert_allclose(mean, expected, rtol=1e-9)
    # Anyone with NumPy finds the bits as documented.
    with np.load(tmp_path / "m.npz") as archive:
        packed, n = archive["bits"], fitted.network_.n_weights
        assert packed.shape[1] == -(-n // 8)
        for i in range(n):
            assert np.array_equal(packed[:, i // 8] >> (i % 8) & 1, fitted.networks_[:, i])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_onnxruntime_predicts_the_same(case: Any, dtype: str, tmp_path: Path) -> None:
    fitted, X = model(*case)
    qh.export.to_onnx(fitted, tmp_path / "m.onnx", dtype=dtype)
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    outputs = session.run(None, {"features": X.astype(dtype)})
    metadata = session.get_modelmeta().custom_metadata_map
    expected = predicted(fitted, X)
    if case[0] == "gaussian":
        got = np.stack(outputs, axis=1)
    else:
        got, label = outputs
        assert json.loads(metadata["classes"]) == [str(name) for name in fitted.classes_]
        assert np.array_equal(label, got.argmax(axis=1))
    # In single precision a unit whose input is as good as 0 may fire the other way, seldom.
    error = np.abs(got - expected) / np.abs(expected).max(axis=0)
    assert got.dtype == dtype
    assert np.quantile(error, 0.99) < (1e-10 if dtype == "float64" else 1e-4)
    if dtype == "float64":
        assert error.max() < 1e-10


FLAGS = ["-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-pedantic", "-DQHN_MAIN"]


def run_c(header: Path, X: NDArray[np.float64], *arguments: str) -> tuple[list[str], str]:
    """Lines that the program in a header prints, and its errors."""
    program = header.with_suffix("")
    command = ["gcc", "-std=c99", *FLAGS, "-x", "c", str(header), "-lm", "-o", str(program)]
    subprocess.run(command, check=True)
    text = "\n".join(" ".join(map(repr, row)) for row in X.tolist())
    done = subprocess.run(
        [program, *arguments], input=text, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines(), done.stderr


@pytest.mark.parametrize("case", CASES, ids=str)
def test_c_predicts_the_same(case: Any, tmp_path: Path) -> None:
    fitted, X = model(*case)
    size = qh.export.to_c(fitted, tmp_path / "m.h")
    lines, _ = run_c(tmp_path / "m.h", X)
    columns = 2 if case[0] == "gaussian" else len(fitted.classes_)
    got = np.array([line.split()[-columns:] for line in lines], dtype=float)
    np.testing.assert_allclose(got, predicted(fitted, X), rtol=1e-9)
    if case[0] != "gaussian":
        names = [line.rsplit(" ", columns)[0] for line in lines]
        assert names == [str(label) for label in fitted.predict(X)]
    assert f"Constants take {size} bytes" in (tmp_path / "m.h").read_text()


def test_a_sign_network_in_c_is_small_and_counts_bits(tmp_path: Path) -> None:
    """A wide one: more inputs of a layer than the largest word has bits."""
    rng = np.random.default_rng(0)
    net = qh.BinaryNetwork((3, 70, 40, 3), activation="sign")
    bits = rng.integers(0, 2, size=(2, net.n_weights), dtype=np.uint8)
    wide = qh.export.Ensemble(
        net,
        bits,
        np.array([0.25, 0.75]),
        np.zeros(3),
        np.eye(3),
        ("a", "b", "c"),
        ("x", "y", "z"),
    )
    size = qh.export.to_c(wide, tmp_path / "m.h")
    # Words of 8 bits for 70 units, two of 64 for 40, one of 64 for 3; two networks, two shares.
    assert size == 2 * (70 * 1 + 40 * 2 * 8 + 3 * 8) + 2 * 8
    text = (tmp_path / "m.h").read_text()
    assert "__builtin_popcountll" in text
    assert "~((uint64_t)w[k] ^ (uint64_t)a1[k])" in text
    X = rng.normal(size=(200, 3))
    lines, error = run_c(tmp_path / "m.h", X, "10")
    got = np.array([line.split()[1:] for line in lines], dtype=float)
    expected = qh.predict(net, X, wide.weights, bits=bits).probabilities
    np.testing.assert_allclose(got, expected, rtol=1e-9)
    assert error.endswith("ns a prediction\n")
    # Without the compiler's own popcount.
    plain = tmp_path / "plain.h"
    plain.write_text(text.replace("defined(__GNUC__)", "0"))
    assert run_c(plain, X)[0] == lines


def test_a_header_is_c_plus_plus_too_and_two_live_together(tmp_path: Path) -> None:
    fitted, X = model(*CASES[1])
    for name in ("one", "two"):
        qh.export.to_c(fitted, tmp_path / f"{name}.h", name=name, n_networks=1)
    values = ", ".join(map(repr, X[0].tolist()))
    (tmp_path / "m.cpp").write_text(
        '#include "one.h"\n#include "two.h"\n#include <cstdio>\n'
        f"int main() {{ const double x[] = {{{values}}};\n"
        '  std::printf("%s %d", one_class_names[one_predict(x)], two_predict(x)); }\n'
    )
    command = ["g++", "-Wall", "-Wextra", "-Werror", "m.cpp", "-o", "m"]
    subprocess.run(command, cwd=tmp_path, check=True)
    done = subprocess.run([tmp_path / "m"], capture_output=True, text=True, check=True)
    single = qh.export._ensemble.ensemble(fitted, 1)
    inputs = (X[:1] - single.mean) @ single.matrix
    index = qh.predict(single.net, inputs, single.weights, bits=single.bits).classes[0]
    assert done.stdout == f"{fitted.classes_[index]} {index}"


def test_the_most_probable_networks_are_kept(tmp_path: Path) -> None:
    fitted, _ = model(*CASES[1])
    qh.export.to_npz(fitted, tmp_path / "m.npz", n_networks=3)
    few = qh.export.from_npz(tmp_path / "m.npz")
    best = np.argsort(-fitted.network_weights_, kind="stable")[:3]
    assert np.array_equal(few.bits, fitted.networks_[best])
    shares = fitted.network_weights_[best]
    np.testing.assert_allclose(few.weights, shares / shares.sum())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    config = RunConfig.parse(
        {
            "data": {"source": "moons"},
            "network": {"hidden": [2], "activation": "tanh"},
            "circuit": {"ansatz": "sign_symmetric", "layers": 6},
            "objective": {"name": "elbo", "weight": "50:1"},
            "training": {"inits": 3, "steps": 300, "start": "near_uniform"},
        },
        "test",
    )
    return runs.execute(config, tmp_path_factory.mktemp("run") / "moons")


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_arviz_finds_the_log_score_of_a_run(run: runs.Run, tmp_path: Path) -> None:
    out = tmp_path / "posterior.nc"
    done = CliRunner().invoke(
        app, ["export", str(run.folder), "--to", "datatree", "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import arviz

        posterior = arviz.from_netcdf(out)
        loo = arviz.loo(posterior)
        summary = arviz.summary(posterior)
    assert posterior.posterior.sizes == {"chain": 1, "draw": 1000, "weight": 9}
    assert dict(qh.export.to_datatree(run, n_draws=5, starts="all")["posterior"].sizes) == {
        "chain": 3,
        "draw": 5,
        "weight": 9,
    }
    assert len(summary) == 9
    # The exact leave-one-out score, point by point from the posterior of the others.
    X, y, table = run.data.X_train, run.data.y_train, 0.0
    bits = (np.arange(2**9)[:, None] >> np.arange(9) & 1).astype(np.uint8)
    each = pointwise(run.net, bits, X, y.astype(float))
    table = each.sum(axis=1)
    exact = 0.0
    for d in range(len(y)):
        others = qh.exact_posterior(table - each[:, d])
        exact += np.log(others.probabilities @ np.exp(each[:, d]))
    # Training came within 0.001 nats of the posterior. The mean of p(y)^-1 over 1000 draws has a
    # relative error of a few in a thousand at each of 200 points, and not all of one sign.
    assert abs(loo.elpd_loo - exact) < 0.5
    np.testing.assert_allclose(table, run.net.log_likelihood(bits, X, y), rtol=1e-10)
    lp = posterior.sample_stats["lp"].values
    joint = posterior.log_likelihood["y"].values.sum(axis=2) - 9 * np.log(2)
    np.testing.assert_allclose(lp, joint, rtol=1e-12)


def test_an_estimators_stored_networks_are_one_chain() -> None:
    fitted, _ = model(*CASES[0])
    labels = np.where(DIGITS.y_train > 0, 'a "quoted" name', "no")
    tree = qh.export.to_datatree(fitted, DIGITS.X_train, labels)
    assert dict(tree["posterior"].sizes) == {"chain": 1, "draw": 60, "weight": 16}
    w = tree["posterior"]["w"].values[0]
    rows, counts = np.unique((1 - w) // 2, axis=0, return_counts=True)
    assert np.array_equal(rows, fitted.networks_)
    np.testing.assert_allclose(counts / 60, fitted.network_weights_)
    own = tree["log_likelihood"]["y"].values[0]
    inputs = fitted.projection_(DIGITS.X_train)
    y = (labels == fitted.classes_[1]).astype(float)
    expected = fitted.network_.log_likelihood(((1 - w) // 2).astype(np.uint8), inputs, y)
    np.testing.assert_allclose(own.sum(axis=1), expected, rtol=1e-10)
    with pytest.raises(ValueError, match=r"y: expected labels of \['a .* got \[7\]"):
        qh.export.to_datatree(fitted, DIGITS.X_train, np.full(len(labels), 7))


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("case", [CASES[3], CASES[8]], ids=["three classes", "regression"])
def test_arviz_scores_three_classes_and_regression(case: Any) -> None:
    fitted, X = model(*case)
    X = X[:60]
    if case[0] == "gaussian":
        y = fitted.predict(X) + 10 * np.sin(np.arange(60))
        unit = fitted.target_scale_
        mean = fitted.network_.logits(fitted.networks_, fitted.projection_(X))[:, :, 0]
        standard = (y - fitted.target_mean_) / unit
        # Densities are those of targets in standard deviations.
        own = stats.norm(mean, fitted.network_.noise).pdf(standard)
        exact = np.log(fitted.network_weights_ @ own).sum()
    else:
        y = fitted.predict(X)
        own = np.take_along_axis(fitted.predict_proba(X), y[:, None], axis=1)
        exact = np.log(own).sum()
    tree = qh.export.to_datatree(fitted, X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import arviz

        posterior = arviz.from_datatree(tree) if hasattr(arviz, "from_datatree") else tree
        loo = arviz.loo(posterior)
        waic_lppd = np.log(np.exp(tree["log_likelihood"]["y"].values[0]).mean(axis=0)).sum()
    # The log score of the posterior predictive itself, which leaving points out can only lower.
    assert waic_lppd == pytest.approx(exact, rel=1e-9)
    assert np.isfinite(loo.elpd_loo)
    assert loo.elpd_loo < exact


def test_log_likelihoods_of_points_are_those_of_scipy() -> None:
    rng = np.random.default_rng(2)
    net = qh.BinaryNetwork((2, 1), likelihood="gaussian", noise=0.7, logit_scale=0.4)
    bits = rng.integers(0, 2, size=(4, 3), dtype=np.uint8)
    X, y = rng.normal(size=(5, 2)), rng.normal(size=5)
    expected = stats.norm(net.logits(bits, X)[:, :, 0], 0.7).logpdf(y)
    np.testing.assert_allclose(pointwise(net, bits, X, y), expected)


@pytest.mark.parametrize(
    ("form", "file"), [("npz", "networks.npz"), ("onnx", "networks.onnx"), ("c", "networks.h")]
)
def test_a_run_is_exported_by_the_command(run: runs.Run, form: str, file: str) -> None:
    done = CliRunner().invoke(app, ["export", str(run.folder), "--to", form])
    assert done.exit_code == 0, done.output
    path = run.folder / file
    assert str(path) in done.output.replace("\n", "")
    assert f"{path.stat().st_size:,} bytes" in done.output
    q = run.probabilities(run.best_init())
    exact = qh.predict(run.net, run.data.X_test, q).probabilities
    if form == "npz":
        read = qh.export.from_npz(path)
        got = qh.predict(run.net, run.data.X_test, read.weights, bits=read.bits).probabilities
    elif form == "onnx":
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        got = session.run(None, {"features": run.data.X_test.astype(np.float32)})[0]
    else:
        lines, _ = run_c(path, run.data.X_test)
        got = np.array([line.split()[-2:] for line in lines], dtype=float)
    # 1000 draws: a standard error of at most 0.5 / sqrt(1000), taken 5 times.
    assert np.abs(got - exact).max() < 5 * 0.5 / np.sqrt(1000)


def test_the_most_probable_network_of_a_run_is_exported_alone(run: runs.Run) -> None:
    arguments = ["export", str(run.folder), "--to", "npz", "--networks", "1"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    read = qh.export.from_npz(run.folder / "networks.npz")
    outcome = run.probabilities(run.best_init()).argmax()
    assert np.array_equal(read.bits, [[outcome >> i & 1 for i in range(9)]])


def test_bad_input_is_refused(run: runs.Run, tmp_path: Path) -> None:
    fitted, _ = model(*CASES[0])
    with pytest.raises(ValueError, match="name: expected a name that C takes, got '3x'"):
        qh.export.to_c(fitted, tmp_path / "m.h", name="3x")
    with pytest.raises(ValueError, match="n_networks: expected a whole number of at least 1"):
        qh.export.to_npz(fitted, tmp_path / "m.npz", n_networks=0)
    with pytest.raises(ValueError, match="dtype: expected one of float32, float64"):
        qh.export.to_onnx(fitted, tmp_path / "m.onnx", dtype="float16")
    with pytest.raises(TypeError, match="source: expected a fitted QHNClassifier"):
        qh.export.to_npz(qh.QHNClassifier(), tmp_path / "m.npz")
    with pytest.raises(ValueError, match="expected the points that the estimator was fitted to"):
        qh.export.to_datatree(fitted)
    with pytest.raises(ValueError, match="expected none with a run"):
        qh.export.to_datatree(run, [[0.0]], [0])
    assert list(tmp_path.iterdir()) == []


def test_damaged_archives_are_refused(tmp_path: Path) -> None:
    fitted, _ = model(*CASES[1])
    path = tmp_path / "m.npz"
    qh.export.to_npz(fitted, path)
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"m.npz: expected networks that to_npz wrote"):
            qh.export.from_npz(path)
    path.write_bytes(whole)
    with np.load(path) as archive:
        values = dict(archive)
    changes: list[tuple[str, Any, str]] = [
        ("format", 2, "expected format 1, got 2"),
        ("layers", [2, 5, 1], "bits: expected 21 a network"),
        ("weights", values["weights"][:-1] / values["weights"][:-1].sum(), "weights: expected"),
        ("class_names", np.array(["one"]), "class_names: expected 2, got 1"),
        ("mean", np.array([Path()], dtype=object), "allow_pickle"),
    ]
    for name, value, message in changes:
        np.savez(path, **values | {name: value})
        with pytest.raises(ValueError, match=message):
            qh.export.from_npz(path)
    with pytest.raises(FileNotFoundError, match="no such file"):
        qh.export.from_npz(tmp_path / "none.npz")
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(whole), size=150):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        try:
            again = qh.export.from_npz(path)
        except ValueError as error:
            assert "m.npz: expected networks" in str(error)  # noqa: PT017 - either way is right
        else:  # The bit was one that zip does not look at.
            assert np.array_equal(again.bits, fitted.networks_)


def test_an_archive_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    """A terabyte of zeros, as an array's header has it, and as the archive's directory has it."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (2**40,)}
    )
    path = tmp_path / "m.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(256):
            archive.writestr(f"{i}.npy", header.getvalue())
    with pytest.raises(ValueError, match=r"m\.npz: expected networks that to_npz wrote"):
        qh.export.from_npz(path)
    content = bytearray(path.read_bytes())
    for entry in re.finditer(rb"PK\x01\x02", bytes(content)):
        unpacked = entry.start() + 24
        content[unpacked : unpacked + 4] = (2**32 - 2).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"m\.npz: expected networks .*memory"):
        qh.export.from_npz(path)


def test_the_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'qhypernet\[export\]'"):
        qh.export.to_onnx(model(*CASES[0])[0], tmp_path / "m.onnx")
