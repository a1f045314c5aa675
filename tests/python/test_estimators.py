"""The scikit-learn estimators, against scikit-learn's own checks and naive recalculation."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import qhypernet as qh
from qhypernet.estimators._parameters import of_circuit, to_circuit

QUICK: dict[str, Any] = {"n_inits": 2, "n_steps": 40, "n_samples": 200, "random_state": 3}
MOONS = qh.datasets.moons()
THREE = qh.datasets.digits(classes=(0, 1, 2))


@pytest.mark.filterwarnings("ignore:X has .* features:UserWarning")
@parametrize_with_checks(
    [qh.QHNClassifier(n_inits=2, n_steps=30), qh.QHNRegressor(n_inits=2, n_steps=30)]
)
def test_scikit_learns_own_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def fitted(**changes: Any) -> qh.QHNClassifier:
    return qh.QHNClassifier(**QUICK | {"hidden": 2} | changes).fit(MOONS.X_train, MOONS.y_train)


def sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-values)))


def test_predictions_average_the_stored_networks() -> None:
    model = fitted()
    X = (MOONS.X_test - MOONS.X_train.mean(axis=0)) / MOONS.X_train.std(axis=0)
    mean, entropy = np.zeros(len(X)), np.zeros(len(X))
    for bits, weight in zip(model.networks_, model.network_weights_, strict=True):
        w = 1.0 - 2.0 * bits
        hidden = np.tanh(X @ w[:4].reshape(2, 2) + w[4:6])
        p = sigmoid(model.network_.logit_scale * (hidden @ w[6:8] + w[8]))
        mean += weight * p
        entropy -= weight * (p * np.log(p) + (1 - p) * np.log(1 - p))
    assert len(model.networks_) > 10
    np.testing.assert_allclose(model.predict_proba(MOONS.X_test)[:, 1], mean, rtol=1e-12)
    uncertainty = model.predict_uncertainty(MOONS.X_test)
    total = -(mean * np.log(mean) + (1 - mean) * np.log(1 - mean))
    np.testing.assert_allclose(uncertainty.total, total, rtol=1e-10)
    np.testing.assert_allclose(uncertainty.aleatoric, entropy, rtol=1e-10)
    np.testing.assert_allclose(uncertainty.epistemic, total - entropy, atol=1e-10)


def test_the_start_with_the_best_exact_elbo_is_kept() -> None:
    model = fitted(n_inits=5, start="random")
    inputs = StandardScaler().fit_transform(MOONS.X_train)
    posterior = qh.exact_posterior(model.network_.log_likelihood_table(inputs, MOONS.y_train))
    q = model.circuit_.simulate(model.params_).probabilities()
    kl = posterior.kl_from(q)
    # ELBO = log p(D) - KL(q || posterior)
    np.testing.assert_allclose(model.scores_, posterior.log_evidence - kl, rtol=1e-9)
    assert model.best_init_ == kl.argmin()
    assert kl.max() > kl.min() + 1
    # 200 draws: the standard error of a frequency is at most 0.5 / sqrt(200), taken 5 times.
    outcomes = model.networks_.astype(int) @ (1 << np.arange(9))
    shares = np.zeros(2**9)
    shares[outcomes] = model.network_weights_
    assert np.abs(shares - q[model.best_init_]).max() < 5 * 0.5 / np.sqrt(200)


def test_the_scale_of_the_logits_has_the_best_evidence() -> None:
    model = fitted(hidden=())
    inputs = StandardScaler().fit_transform(MOONS.X_train)
    evidence = {}
    for scale in (0.25, 0.5, 1.0, 2.0, 4.0, 8.0):
        net = qh.BinaryNetwork((2, 1), logit_scale=scale)
        table = net.log_likelihood_table(inputs, MOONS.y_train)
        evidence[scale] = qh.exact_posterior(table).log_evidence
    assert model.network_.logit_scale == max(evidence, key=lambda scale: evidence[scale])
    assert len(set(evidence.values())) == 6
    assert fitted(logit_scale=0.3).network_.logit_scale == 0.3


def test_the_noise_of_a_regression_has_the_best_evidence() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 2))
    y = 7 + 4 * (X[:, 0] - X[:, 1]) + rng.normal(size=80)
    model = qh.QHNRegressor(**QUICK).fit(X, y)
    inputs = StandardScaler().fit_transform(X)
    standard = (y - y.mean()) / y.std()

    def evidence(scale: float, noise: float) -> float:
        net = qh.BinaryNetwork((2, 1), likelihood="gaussian", logit_scale=scale, noise=noise)
        return qh.exact_posterior(net.log_likelihood_table(inputs, standard)).log_evidence

    found = model.network_
    best = evidence(found.logit_scale, found.noise)
    for factor in (0.8, 1.25):
        assert evidence(found.logit_scale, factor * found.noise) < best
        assert evidence(factor**3 * found.logit_scale, found.noise) < best
    # Of sd 4 * sqrt(2) and noise 1, most is explained, though weights cannot be 4.
    assert model.score(X, y) > 0.8
    mean, deviation = model.predict(X, return_std=True)
    w = 1.0 - 2.0 * model.networks_
    outputs = found.logit_scale * (inputs @ w[:, :2].T + w[:, 2])
    of_networks = y.mean() + y.std() * outputs
    expected = of_networks @ model.network_weights_
    np.testing.assert_allclose(mean, expected, rtol=1e-10)
    variance = ((of_networks - expected[:, None]) ** 2) @ model.network_weights_
    noise = (found.noise * y.std()) ** 2
    np.testing.assert_allclose(deviation**2, variance + noise, rtol=1e-10)
    np.testing.assert_allclose(model.predict_uncertainty(X).epistemic, variance, atol=1e-10)


def test_a_weight_of_two_counts_a_point_twice() -> None:
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(12, 2)), np.arange(12) % 2
    weights = rng.integers(0, 4, size=12).astype(float)
    net = qh.BinaryNetwork((2, 2, 1), activation="tanh")
    table = net.log_likelihood_table(X, y, sample_weight=weights)
    repeated = np.repeat(np.arange(12), weights.astype(int))
    np.testing.assert_allclose(table, net.log_likelihood_table(X[repeated], y[repeated]))
    halves = net.log_likelihood_table(X, y, sample_weight=np.full(12, 0.5))
    np.testing.assert_allclose(halves, net.log_likelihood_table(X, y) / 2)
    for bad, message in (
        (np.ones(11), r"sample_weight: expected shape \(12,\), got \(11,\)"),
        (np.zeros(12), "not all zero"),
        (np.full(12, -1.0), "of at least 0"),
    ):
        with pytest.raises(ValueError, match=message):
            net.log_likelihood_table(X, y, sample_weight=bad)


def test_many_features_are_projected_as_pca_does_with_a_warning() -> None:
    data = qh.datasets.digits(classes=(3, 8))
    with pytest.warns(UserWarning, match="projected onto 15 principal components"):
        auto = qh.QHNClassifier(**QUICK | {"n_steps": 1}).fit(data.X_train, data.y_train)
    assert auto.network_.layers == (15, 1)
    model = qh.QHNClassifier(**QUICK, n_components=4).fit(data.X_train, data.y_train)
    pca = make_pipeline(StandardScaler(), PCA(4, whiten=True)).fit(data.X_train)
    ours, theirs = model.projection_(data.X_test), pca.transform(data.X_test)
    # scikit-learn divides by D - 1, and chooses other signs.
    theirs *= np.sqrt(len(data.X_train) / (len(data.X_train) - 1))
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-9)
    np.testing.assert_allclose(
        (data.X_test - model.projection_.mean) @ model.projection_.matrix, ours
    )


def test_it_is_at_home_in_scikit_learn() -> None:
    table = pd.DataFrame(MOONS.X_train, columns=["east", "north"])
    labels = np.array(["inner", "outer"])[MOONS.y_train]
    search = GridSearchCV(
        qh.QHNClassifier(**QUICK, objective="selbo"), {"weight": [30.0, 100.0]}, cv=3
    )
    search.fit(table, labels)
    assert list(search.best_estimator_.feature_names_in_) == ["east", "north"]
    assert set(search.predict(table)) == {"inner", "outer"}
    # A table comes column by column, an array row by row.
    by_rows = clone(search.best_estimator_).fit(MOONS.X_train, labels)
    expected = by_rows.predict_proba(MOONS.X_test)
    renamed = pd.DataFrame(MOONS.X_test, columns=table.columns)
    assert np.array_equal(search.predict_proba(renamed), expected)
    assert search.score(table, labels) > 0.8
    pipeline = make_pipeline(StandardScaler(), clone(search.best_estimator_))
    assert cross_val_score(pipeline, MOONS.X_train, labels, cv=2).min() > 0.7


def test_three_classes_are_told_apart() -> None:
    model = qh.QHNClassifier(**QUICK, n_components=3).fit(THREE.X_train, THREE.y_train)
    assert model.network_.n_weights == 12
    assert model.score(THREE.X_test, THREE.y_test) > 0.8
    assert model.decision_function(THREE.X_test).shape == (len(THREE.X_test), 3)


@dataclass
class Device:
    """Has samples only, and remembers what it was asked for."""

    jobs: list[tuple[int, int]] = field(default_factory=list)

    def sample(
        self, circuit: qh.Circuit, params: NDArray[np.float64], shots: int, streams: Any
    ) -> NDArray[np.uint8]:
        self.jobs.append((len(params), shots))
        return qh.samplers.StatevectorSampler().sample(circuit, params, shots, streams)


@pytest.mark.parametrize("gradient", [None, "parameter_shift"])
def test_a_device_that_has_samples_only_is_enough(gradient: str | None) -> None:
    device = Device()
    asked: dict[str, Any] = {"sampler": device, "gradient": gradient, "objective": "selbo"}
    model = qh.QHNClassifier(
        **QUICK | {"n_steps": 30, "n_inits": 3, "shots": 50}, n_layers=1, **asked
    )
    model.fit(MOONS.X_train, MOONS.y_train)
    # In the end every start is measured once more, and then the best one.
    assert {shots for _, shots in device.jobs[:-2]} == {50}
    assert device.jobs[-2:] == [(3, 200), (1, 200)]
    assert model.score(MOONS.X_test, MOONS.y_test) > 0.75
    q = model.circuit_.simulate(model.params_).probabilities()
    inputs = StandardScaler().fit_transform(MOONS.X_train)
    cost = -model.network_.log_likelihood_table(inputs, MOONS.y_train)
    kernel = qh.HammingKernel.for_weights(3)
    exact = [own @ cost + 30 * qh.mmd2_exact(own, np.full(8, 1 / 8), kernel) for own in q]
    # Five standard errors of the mean cost of 200 shots, and as much for the smaller MMD^2.
    bound = 10 * np.sqrt(((q @ cost**2) - (q @ cost) ** 2).max() / 200)
    np.testing.assert_allclose(-model.scores_, exact, atol=bound + 1)
    with pytest.raises(ValueError, match="a device does not know log q"):
        clone(model).set_params(objective="elbo").fit(MOONS.X_train, MOONS.y_train)


def test_a_device_with_noise_trains_a_model_that_qiskit_runs() -> None:
    """A fake device: its noise, layout and gates, through the sampler that real ones take."""
    from qiskit.quantum_info import Statevector

    device = qh.samplers.IBMRuntimeSampler("fake_manila")
    model = qh.QHNClassifier(
        sampler=device,
        objective="selbo",
        optimizer=qh.Adam(0.2),
        n_inits=1,
        n_layers=1,
        n_steps=8,
        n_samples=100,
        shots=100,
        random_state=0,
    ).fit(MOONS.X_train, MOONS.y_train)
    assert model.network_weights_.sum() == pytest.approx(1)
    assert model.history_["objective"].values[0, 0] > model.history_["objective"].values[0, -1]
    circuit = model.circuit_.to_qiskit(model.params_[model.best_init_])
    q = model.circuit_.simulate(model.params_[model.best_init_]).probabilities()
    np.testing.assert_allclose(Statevector(circuit).probabilities(), q, atol=1e-12)
    # Noise moves a share of the shots, but the stored networks are mostly those of q: five standard
    # errors of 100 shots, and what the device's errors (a few per cent a qubit) do.
    shares = np.zeros(8)
    shares[model.networks_.astype(int) @ (1 << np.arange(3))] = model.network_weights_
    assert np.abs(shares - q).max() < 5 * 0.5 / np.sqrt(100) + 0.1


def test_objective_ansatz_and_gradient_can_be_of_ones_own() -> None:
    model = fitted(
        ansatz=lambda net: qh.ansatz.brickwork(net.n_weights, 2),
        objective=qh.JensenShannon(weight=5.0),
        gradient=qh.gradients.Exact(),
        learning_rate=qh.Schedule(0.2, 0.02),
    )
    assert model.circuit_.fingerprint == qh.ansatz.brickwork(9, 2).fingerprint
    assert model.history_["learning_rate"].values[-1] == pytest.approx(0.02)
    with pytest.raises(ValueError, match="weight: expected None with JensenShannon"):
        clone(model).set_params(weight=3.0).fit(MOONS.X_train, MOONS.y_train)


def test_optimisers_go_by_name_or_are_ones_own() -> None:
    net = fitted().network_
    inputs = StandardScaler().fit_transform(MOONS.X_train)
    posterior = qh.exact_posterior(net.log_likelihood_table(inputs, MOONS.y_train))
    searched = fitted(optimizer="lbfgsb", n_steps=300, logit_scale=net.logit_scale)
    # Nothing is annealed, so it may end in a mode; but it is down there to many digits.
    assert set(searched.history_["weight"].values) == {1.0}
    assert searched.history_["gradient_norm"].values[searched.best_init_, -1] < 0.05
    kl = posterior.log_evidence - searched.scores_
    q = searched.circuit_.simulate(searched.params_).probabilities()
    np.testing.assert_allclose(kl, posterior.kl_from(q), atol=1e-9)
    slow = fitted(optimizer="sgd", learning_rate=1e-4)
    assert set(slow.history_["learning_rate"].values) == {1e-4}
    assert np.array_equal(fitted(optimizer=qh.SGD(1e-4)).params_, slow.params_)
    for optimizer, why in ((qh.Adam(), "has its own"), ("lbfgsb", "has none")):
        with pytest.raises(ValueError, match=f"learning_rate: expected None with .*{why}"):
            fitted(optimizer=optimizer, learning_rate=0.1)


def test_one_random_state_gives_one_model() -> None:
    one, two, other = fitted(), fitted(), fitted(random_state=4)
    assert np.array_equal(one.params_, two.params_)
    assert np.array_equal(one.networks_, two.networks_)
    assert not np.array_equal(one.params_, other.params_)
    state = np.random.RandomState(0)
    assert fitted(random_state=state).seed_ != fitted(random_state=state).seed_


def test_progress_is_shown_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    fitted()
    assert capsys.readouterr().err == ""
    fitted(verbose=True)
    assert "40/40" in capsys.readouterr().err


@pytest.mark.parametrize("part", [qh.BinaryNetwork((2, 3, 1), "relu", False), "circuit"])
def test_parts_travel_to_other_processes(part: Any) -> None:
    if part == "circuit":
        part = qh.ansatz.sign_symmetric(qh.BinaryNetwork((1, 2, 1), "tanh"), 2)
        part.append("rz", 0, param=0, scale=-0.5)
        described = json.loads(json.dumps(of_circuit(part)))
        assert to_circuit(described).fingerprint == part.fingerprint
        assert pickle.loads(pickle.dumps(part)).fingerprint == part.fingerprint
        return
    again = pickle.loads(pickle.dumps(part))
    bits, X = np.ones((1, part.n_weights), dtype=np.uint8), [[0.3, -2.0]]
    assert repr(again) == repr(part)
    assert np.array_equal(again.logits(bits, X), part.logits(bits, X))


X, Y = MOONS.X_train, MOONS.y_train


@pytest.mark.parametrize(
    ("changes", "data", "message"),
    [
        ({}, (np.where(X > 1, np.nan, X), Y), "Input X contains NaN"),
        ({}, ([["a", "b"], ["c", "d"]], [0, 1]), "could not convert string to float"),
        ({}, (X, np.zeros(len(X))), "at least two classes, got one class"),
        ({}, (X, np.linspace(0, 1, len(X))), "Unknown label type"),
        ({"hidden": (6, 6)}, (X, Y), r"1-6-6-1 .* has 61 binary weights.*take fewer hidden"),
        ({"hidden": 0}, (X, Y), "hidden: expected a whole number of at least 1, got 0"),
        ({"weight": -1.0}, (X, Y), "weight: expected a finite number of at least 0, got -1.0"),
        ({"n_components": 0}, (X, Y), "n_components: expected a whole number of at least 1"),
        ({"n_components": "three"}, (X, Y), "expected a number, None or 'auto', got 'three'"),
        ({"objective": "elbow"}, (X, Y), "did you mean 'elbo'"),
        ({"objective": "mle", "weight": 3.0}, (X, Y), "weight: expected None with 'mle'"),
        ({"ansatz": "brick"}, (X, Y), "did you mean 'brickwork'"),
        ({"ansatz": qh.Circuit(3, 1)}, (X, Y), "as many qubits as weights"),
        ({"n_samples": 1}, (X, Y), "n_samples: expected a whole number of at least 2"),
        ({"random_state": -1}, (X, Y), "random_state: expected a whole number"),
        (
            {"sampler": Device(), "gradient": "exact", "objective": "selbo"},
            (X, Y),
            "shots: expected None with",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:X has .* features:UserWarning")
def test_bad_input_is_refused(changes: dict[str, Any], data: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        qh.QHNClassifier(**QUICK | {"hidden": 2} | changes).fit(*data)


def test_what_is_no_sampler_noise_or_size_is_named() -> None:
    with pytest.raises(TypeError, match=r"sampler: expected one of qhypernet.samplers.*'aer'"):
        fitted(sampler="aer", objective="selbo")
    for noise in (0, -1.0):
        with pytest.raises(
            ValueError, match=f"noise: expected a finite number above 0, got {noise}"
        ):
            qh.QHNRegressor(**QUICK, noise=noise).fit(X, Y)
    for hidden in (2.5, "3"):
        with pytest.raises(TypeError, match="hidden: expected a whole number of at least 1"):
            fitted(hidden=hidden)
    many = np.random.default_rng(0).normal(size=(40, 3))
    with pytest.raises(ValueError, match="lower n_components or tell fewer classes apart"):
        qh.QHNClassifier(**QUICK, n_components=2).fit(many, np.arange(40) % 20)


def test_more_features_than_qubits_are_refused() -> None:
    many = np.random.default_rng(0).normal(size=(20, 100))
    with pytest.raises(ValueError, match=r"n_features=100 has 101 binary weights.*n_components"):
        qh.QHNClassifier(n_components=None).fit(many, np.arange(20) % 2)


def test_other_features_are_refused() -> None:
    model = fitted()
    with pytest.raises(ValueError, match="X has 3 features, but QHNClassifier is expecting 2"):
        model.predict(np.zeros((1, 3)))


def test_training_can_be_followed_and_stopped() -> None:
    seen = []
    model = fitted(callback=lambda step: bool(seen.append(step.step)) or step.step >= 7)
    assert model.n_iter_ == len(seen) < 40
    stopped = fitted(weight=1.0, n_steps=2000, stopping=qh.EarlyStopping(patience=20))
    assert 20 < stopped.n_iter_ < 2000


def test_defaults_fit_the_network() -> None:
    symmetric = fitted()
    net = symmetric.network_
    assert symmetric.circuit_.fingerprint == qh.ansatz.sign_symmetric(net, 8).fingerprint
    for changes in ({"hidden": ()}, {"activation": "relu"}):
        model = fitted(**changes)
        plain = qh.ansatz.hardware_efficient(model.network_.n_weights, 8)
        assert model.circuit_.fingerprint == plain.fingerprint
    # Annealed from where the modes of the posterior hang together, whatever the number of points.
    inputs = StandardScaler().fit_transform(MOONS.X_train)
    spread = net.log_likelihood_table(inputs, MOONS.y_train).std()
    weights = symmetric.history_["weight"].values
    assert weights[[0, 28, -1]] == pytest.approx([0.25 * spread, 1.0, 1.0])
    rate = symmetric.circuit_.n_params**-0.5
    rates = symmetric.history_["learning_rate"].values
    assert rates[[0, -1]] == pytest.approx([rate, 0.02 * rate])
    # What the recipe is not for: noisy gradients, and stopping, which waits for rates to settle.
    for steady in ({"shots": 20}, {"stopping": qh.EarlyStopping(5)}):
        assert set(fitted(**steady).history_["learning_rate"].values) == {0.1}
    assert fitted(objective="selbo").history_["weight"].values[0] == pytest.approx(3000)
    assert fitted(objective="hellinger").history_["weight"].values[0] == 1
