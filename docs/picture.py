"""Draws the README's picture: a trained posterior predictive and its uncertainty, on moons.

Run as ``python docs/picture.py``; prints the distance to the exact posterior.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import qhypernet as qh
from qhypernet.plotting import decision_boundary

data = qh.datasets.moons()
net = qh.BinaryNetwork((2, 3, 1), activation="tanh")
problem = qh.Problem(net, data.X_train, data.y_train)
circuit = qh.ansatz.sign_symmetric(net, n_layers=12)
trained = qh.train(
    circuit,
    problem,
    qh.ELBO(qh.Schedule(50, 1, fraction=0.7)),
    n_inits=4,
    n_steps=1000,
    optimizer=qh.Adam(qh.Schedule(0.1, 0.01)),
    start="near_uniform",
)
q = trained.probabilities()
distance = qh.exact_posterior(problem.table).kl_from(q)
print("KL(q || exact posterior) of each start, nats:", distance.round(4))

low, high = data.X_train.min(axis=0) - 0.5, data.X_train.max(axis=0) + 0.5
xx, yy = np.meshgrid(*(np.linspace(a, b, 120) for a, b in zip(low, high, strict=True)))
grid = np.stack([xx.ravel(), yy.ravel()], axis=1)
predicted = qh.predict(net, grid, q[distance.argmin()])
figure = decision_boundary(
    xx,
    yy,
    predicted.probabilities[:, 1].reshape(xx.shape),
    predicted.epistemic.reshape(xx.shape),
    data.X_train,
    data.y_train,
    data.class_names,
    data.feature_names,
)
figure.savefig(Path(__file__).with_name("picture.png"), dpi=110, facecolor="white")
