"""The table of real data: its numbers worked out anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

import qhypernet as qh
from qhypernet.experiments import EXPERIMENTS, Work, real_data


@pytest.mark.parametrize(("label", "steps"), [("breast cancer", 400), ("digits 0, 1 and 2", 10)])
def test_every_row_is_what_it_says(label: str, steps: int) -> None:
    settings = real_data.data_sets(quick=True)[label]
    data = real_data.load(settings, seed=3)
    found = real_data.compare(data, seed=3, n_steps=steps)
    values = {str(m): found["values"].sel(model=m) for m in found["model"].values}

    def score(method: str, metric: str) -> float:
        return float(values[method].sel(metric=metric))

    regression = LogisticRegression(tol=1e-10, max_iter=1000).fit(data.X_train, data.y_train)
    assert score("logistic regression", "accuracy") == regression.score(data.X_test, data.y_test)
    fitted = regression.predict_proba(data.X_test)
    assert score("logistic regression", "nll") == pytest.approx(
        log_loss(data.y_test, fitted), rel=1e-5
    )
    outputs = 1 if data.n_classes == 2 else data.n_classes
    net = qh.BinaryNetwork(
        (data.n_features, outputs), logit_scale=float(found.attrs["logit_scale"])
    )
    table = net.log_likelihood_table(data.X_train, data.y_train)
    posterior = qh.exact_posterior(table)
    exact = qh.predict(net, data.X_test, posterior.probabilities)
    assert score("exact posterior", "accuracy") == np.mean(exact.classes == data.y_test)
    assert score("exact posterior", "kl") == 0
    # The KL of a single network is -log posterior: it tells which one it was.
    kl = score("straight-through, one network", "kl")
    one = int(np.abs(posterior.log_probabilities + kl).argmin())
    assert kl == pytest.approx(-posterior.log_probabilities[one])
    assert kl < -posterior.log_probabilities.max() + 1
    bits = [[one >> i & 1 for i in range(net.n_weights)]]
    single = qh.predict(net, data.X_test, [1.0], bits=bits).probabilities
    assert score("straight-through, one network", "nll") == pytest.approx(
        log_loss(data.y_test, single)
    )
    # Annealed, the ELBO comes near the posterior; the SELBO's minimiser is another distribution.
    if steps > 100:
        assert score("QHN, annealed ELBO", "kl") < 3
        assert score("QHN, annealed ELBO", "kl") < score("QHN, SELBO", "kl")


def test_the_experiment_has_a_table_of_each_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {"breast cancer": {"n_features": 3}}
    monkeypatch.setattr(real_data, "data_sets", lambda quick: few)
    said: list[str] = []
    findings = EXPERIMENTS["real_data"].run(Work(tmp_path, True, said.append))
    (caption,) = findings.tables
    assert caption.startswith("breast cancer, 4 weights")
    (table,) = findings.tables.values()
    assert list(table.columns) == ["accuracy", "NLL", "ECE", "KL to the posterior"]
    assert table.loc["logistic regression", "KL to the posterior"] == "-"
    own = findings.data.query("method == 'exact posterior'")["nll"]
    assert len(own) == 2
    assert table.loc["exact posterior", "NLL"] == f"{own.mean():.3f} ± {own.std(ddof=1):.3f}"
    ranked = findings.data.groupby("method")["nll"].mean().sort_values()
    assert f"breast cancer: {ranked.index[0]} {ranked.iloc[0]:.3f}" in findings.text
    # Nothing is done twice.
    assert len(said) == 2
    again = EXPERIMENTS["real_data"].run(Work(tmp_path, True, said.append))
    assert len(said) == 2
    assert again.data.equals(findings.data)
