"""Fitted estimators in files: what is saved is loaded, and nothing else is."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np
import pytest
from sklearn.base import clone

import qhypernet as qh
from qhypernet import storage
from qhypernet.estimators import _parameters
from qhypernet.objectives import OBJECTIVES

GOLDEN = Path(__file__).parents[1] / "golden"
DATA = qh.datasets.digits(classes=(0, 1, 2))
QUICK: dict[str, Any] = {"n_inits": 2, "n_steps": 10, "n_samples": 50, "random_state": 1}


@pytest.fixture(scope="module")
def model() -> qh.QHNClassifier:
    labels = np.array(["nought", "one", "two"])[DATA.y_train]
    kernel = qh.HammingKernel((1.0, 2.0))
    return qh.QHNClassifier(
        hidden=(2,),
        n_components=2,
        objective=qh.SELBO(weight=qh.Schedule(300, 30), kernel=kernel),
        ansatz=qh.ansatz.brickwork(15, 1),
        **QUICK,
    ).fit(DATA.X_train, labels)


@pytest.fixture
def saved(model: qh.QHNClassifier, tmp_path: Path) -> Path:
    model.save(tmp_path / "model.nc")
    return tmp_path / "model.nc"


def test_a_loaded_classifier_is_the_one_that_was_saved(
    model: qh.QHNClassifier, saved: Path
) -> None:
    again = qh.load(saved)
    assert isinstance(again, qh.QHNClassifier)
    assert repr(again) == repr(model)
    assert np.array_equal(again.predict_proba(DATA.X_test), model.predict_proba(DATA.X_test))
    assert np.array_equal(again.predict(DATA.X_test), model.predict(DATA.X_test))
    assert again.circuit_.fingerprint == model.circuit_.fingerprint
    assert again.history_.identical(model.history_)
    for name in ("params_", "scores_", "networks_", "network_weights_"):
        assert np.array_equal(getattr(again, name), getattr(model, name))
    for name in ("seed_", "n_iter_", "best_init_", "n_features_in_"):
        assert getattr(again, name) == getattr(model, name)
    # What it was fitted with is there too.
    refitted = clone(again).fit(DATA.X_train, model.classes_[DATA.y_train])
    assert np.array_equal(refitted.params_, model.params_)
    again.save(saved)
    assert repr(qh.load(saved)) == repr(model)


@pytest.mark.parametrize("kind", [int, bool, float, np.int8, object])
def test_labels_keep_their_kind(kind: Any, tmp_path: Path) -> None:
    labels = (DATA.y_train > 0).astype(kind)
    if kind is object:
        labels = np.where(labels, "one", "nought").astype(object)
    model = qh.QHNClassifier(**QUICK, n_components=2).fit(DATA.X_train, labels)
    model.save(tmp_path / "m.nc")
    again = qh.load(tmp_path / "m.nc").predict(DATA.X_test)
    assert np.array_equal(again, model.predict(DATA.X_test))
    assert kind is object or again.dtype == np.dtype(kind)


def test_a_regressor_is_loaded_with_feature_names(tmp_path: Path) -> None:
    import pandas as pd

    X = pd.DataFrame({"height": [0.0, 1.0, 2.0, 4.0], "width": [1.0, 0.0, 3.0, 2.0]})
    y = 100 + X["height"]
    model = qh.QHNRegressor(**QUICK).fit(X, y)
    model.save(tmp_path / "m.nc")
    again = qh.load(tmp_path / "m.nc")
    assert isinstance(again, qh.QHNRegressor)
    assert list(again.feature_names_in_) == ["height", "width"]
    for ours, theirs in zip(
        again.predict(X, return_std=True), model.predict(X, return_std=True), strict=True
    ):
        assert np.array_equal(ours, theirs)
    with pytest.raises(ValueError, match="feature names should match"):
        again.predict(X.rename(columns={"width": "depth"}))


@pytest.mark.parametrize(
    "parts",
    [
        {"stopping": qh.EarlyStopping(3, min_delta=0.1), "optimizer": qh.SGD(1e-3, momentum=0.5)},
        {"optimizer": qh.Adam(qh.Schedule(0.1, 0.01, "cosine", warmup=0.1), beta2=0.99)},
        {"gradient": qh.gradients.SPSA(20, step_size=0.2), "objective": "selbo"},
        {"gradient": qh.gradients.Sampled(30), "sampler": None},
        {"gradient": "spsa", "objective": "mle", "sampler": qh.samplers.StatevectorSampler()},
        {"optimizer": qh.LBFGSB(memory=4), "weight": 2.0},
    ],
    ids=str,
)
def test_parts_of_the_package_are_stored_in_full(parts: dict[str, Any], tmp_path: Path) -> None:
    model = qh.QHNClassifier(**QUICK, n_components=2, **parts).fit(DATA.X_train, DATA.y_train)
    model.save(tmp_path / "m.nc")
    again = qh.load(tmp_path / "m.nc")
    for name, value in parts.items():
        assert getattr(again, name) == value
    assert np.array_equal(
        clone(again).fit(DATA.X_train, DATA.y_train).params_,
        clone(model).fit(DATA.X_train, DATA.y_train).params_,
    )


def test_no_file_says_what_a_training_writes(saved: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    changed(saved, **part(saved, "parameters", checkpoint=str(victim), callback={"eval": "1"}))
    again = qh.load(saved)
    assert isinstance(again, qh.QHNClassifier)
    assert (again.checkpoint, again.callback) == (None, None)


def test_objects_of_ones_own_are_named_and_missed(tmp_path: Path) -> None:
    def circuit(net: qh.BinaryNetwork) -> qh.Circuit:
        return qh.ansatz.brickwork(net.n_weights, 1)

    model = qh.QHNClassifier(**QUICK, n_components=2, ansatz=circuit)
    model.fit(DATA.X_train, DATA.y_train).save(tmp_path / "m.nc")
    with pytest.warns(
        UserWarning, match=r"ansatz was <function .*new fit takes the default, 'auto"
    ):
        again = qh.load(tmp_path / "m.nc")
    assert np.array_equal(again.predict_proba(DATA.X_test), model.predict_proba(DATA.X_test))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_can_be_stored(name: str) -> None:
    objective = OBJECTIVES[name]()
    again = _parameters.decoded(json.loads(json.dumps(_parameters.encoded(objective))))
    assert type(again) is type(objective)
    assert repr(again) == repr(objective)


@pytest.mark.parametrize("name", ["model-1.nc"])
def test_files_of_earlier_versions_are_read(name: str) -> None:
    """Kept from the version that introduced the format; predictions were written beside it."""
    model = qh.load(GOLDEN / name)
    expected = np.loadtxt((GOLDEN / name).with_suffix(".csv"), delimiter=",")
    np.testing.assert_allclose(model.predict_proba(DATA.X_test[:20]), expected, rtol=1e-10)


def changed(path: Path, **attributes: Any) -> None:
    """Writes other attributes into a model's file, with a hash that fits them."""
    dataset = storage.read_dataset(path)
    storage.write_dataset(path, dataset.assign_attrs(attributes))


def part(path: Path, name: str, **values: Any) -> dict[str, str]:
    """One of a file's JSON attributes with other entries."""
    content = json.loads(storage.read_dataset(path).attrs[name])
    return {name: json.dumps(content | values)}


def test_a_newer_format_is_refused_by_name(saved: Path) -> None:
    changed(saved, format_version=2, qhypernet="9.0")
    with pytest.raises(ValueError, match=r"expected format 1 .*got 2, written by qhypernet 9\.0"):
        qh.load(saved)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("network", {"layers": [3, 3]}, r"networks: expected shape \(rows, 12\)"),
        ("network", {"activation": "eval"}, "activation: expected one of"),
        ("circuit", {"gates": [["os.system", [0], None, None, 1.0]]}, "gate: expected one of"),
        ("circuit", {"n_params": 99}, "expected those of"),
        ("circuit", {"n_qubits": 4, "gates": [], "n_params": 0}, "expected those of"),
        ("parameters", {"objective": {"objective": "os.system", "arguments": {}}}, "os.system"),
        ("parameters", {"hidden": {"eval": "1"}}, "expected a parameter"),
        ("parameters", {"unknown": 1}, "unexpected keyword"),
        ("parameters", {"stopping": {"object": "Path", "fields": {}}}, "Path"),
        ("parameters", {"stopping": {"object": "EarlyStopping", "fields": {"x": 1}}}, "x"),
        ("fitted", {"n_features_in_": 7}, "components: expected 7 features"),
        ("fitted", {"classes_": {"dtype": "object", "values": [1, 2, 3]}}, "numbers or strings"),
        ("fitted", {"classes_": {"dtype": "int8", "values": [1, 2]}}, "classes_: expected 3"),
        ("fitted", {"seed_": -1}, "seed_: expected a whole number"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    saved: Path, name: str, values: dict[str, Any], message: str
) -> None:
    changed(saved, **part(saved, name, **values))
    with pytest.raises(ValueError, match=f"model.nc: expected a whole model.*{message}"):
        qh.load(saved)


def test_json_without_end_is_refused(saved: Path) -> None:
    changed(saved, network="[" * 50_000)
    with pytest.raises(ValueError, match="expected a whole model, got a damaged one"):
        qh.load(saved)


def test_truncated_and_damaged_files_are_refused(saved: Path) -> None:
    whole = saved.read_bytes()
    for length in np.linspace(0, len(whole) - 1, 9).astype(int):
        saved.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"model.nc: expected a"):
            qh.load(saved)
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(whole), size=25):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << int(rng.integers(8))
        saved.write_bytes(flipped)
        try:
            again = qh.load(saved)
        except ValueError as error:
            assert "model.nc" in str(error)  # noqa: PT017 - either way is right
        else:  # The bit was in a gap of the file's structure.
            saved.write_bytes(whole)
            expected = qh.load(saved).predict_proba(DATA.X_test)
            assert np.array_equal(again.predict_proba(DATA.X_test), expected)


class Attack:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("code was run",))


def test_no_code_is_run(saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pickle.nc").write_bytes(pickle.dumps(Attack()))
    np.save(tmp_path / "array.npy", np.array([Attack()]), allow_pickle=True)
    for name in ("pickle.nc", "array.npy"):
        with pytest.raises(ValueError, match="expected a result file"):
            qh.load(tmp_path / name)
    assert capsys.readouterr().out == ""


def test_a_file_that_asks_for_other_files_is_refused(saved: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(np.arange(50.0).tobytes())
    whole = saved.read_bytes()
    with h5py.File(saved, "a") as file:
        file["elsewhere"] = h5py.ExternalLink("other.h5", "/x")
    with pytest.raises(ValueError, match="a link, elsewhere, to another place"):
        qh.load(saved)
    saved.write_bytes(whole)
    with h5py.File(saved, "a") as file:
        file.create_dataset("x", (50,), "f8", external=[(str(secret), 0, 400)])
    with pytest.raises(ValueError, match="x, whose numbers are not in the file"):
        qh.load(saved)
    saved.write_bytes(whole)
    with h5py.File(saved, "a") as file:
        file.create_dataset("x", data=np.zeros(4), chunks=(4,), compression="lzf")
    with pytest.raises(ValueError, match="x, whose numbers are not in the file as they should"):
        qh.load(saved)


def test_a_file_that_would_fill_the_memory_is_refused(saved: Path) -> None:
    with h5netcdf.File(saved, "a") as file:
        file.dimensions["many"] = 2**45
        file.create_variable("x", ("many",), "f8", chunks=(2**20,), compression="gzip")
    with pytest.raises(ValueError, match="memory"):
        qh.load(saved)


def test_other_files_are_refused(tmp_path: Path) -> None:
    import xarray as xr

    with pytest.raises(FileNotFoundError, match="no such file"):
        qh.load(tmp_path / "none.nc")
    storage.write_dataset(tmp_path / "run.nc", xr.Dataset({"a": ("x", [1.0])}))
    with pytest.raises(ValueError, match=r"expected a model that save\(\) wrote"):
        qh.load(tmp_path / "run.nc")


def test_a_model_that_is_not_fitted_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not fitted yet"):
        qh.QHNClassifier().save(tmp_path / "m.nc")
    assert list(tmp_path.iterdir()) == []
