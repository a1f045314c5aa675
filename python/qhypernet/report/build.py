"""The report of a run: which figures and tables it shows, and in what order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from qhypernet import evaluation, hardware, plotting, prediction, regression, storage
from qhypernet.posterior import ExactPosterior
from qhypernet.report.page import Section, Table, render_page
from qhypernet.runs import Run

_GRID = 80
_ARCHITECTURES = 8


def write_report(run: Run, path: Path) -> Path:
    """Writes a run's report as one self-contained HTML page, and returns its path.

    Raises:
        OSError: The page cannot be written.
    """
    posterior = run.posterior()
    init = run.best_init()
    q = run.probabilities(init)
    config = run.config
    sections = [
        _what(run),
        _metrics(run, init),
        _training(run),
        _distribution(run, q, posterior, init),
        _predictions(run, q, posterior),
        *_hardware(run),
        Section(
            "How to repeat it",
            "Save the following as run.toml and call: qhypernet train --config run.toml",
            code=str(run.result.attrs["config"]),
        ),
    ]
    page = render_page(
        f"{run.data.name}: {len(run.params)} trained quantum hypernetworks",
        f"{config.objective.name.upper()}, {config.circuit.ansatz} circuit of {_layers(run)}, "
        f"{run.net.n_weights} qubits",
        sections,
        f"qhypernet {run.result.attrs['qhypernet']}, NumPy {run.result.attrs['numpy']}, "
        f"Python {run.result.attrs['python']}, seed {run.result.attrs['seed']}",
    )
    storage.write_text(path, page)
    return path


def _layers(run: Run) -> str:
    layers = run.config.circuit.layers
    return f"{layers} layer" + "s" * (layers != 1)


def _what(run: Run) -> Section:
    config, data, net = run.config, run.data, run.net
    circuit = config.build_circuit(net)
    training = config.training
    rows = [
        (
            "data",
            f"{data.name}: {len(data.y_train)} training and {len(data.y_test)} test points, "
            f"features: {data.n_features}, "
            + (f"classes {', '.join(data.class_names)}" if data.n_classes else data.target_name),
        ),
        (
            "network",
            f"{'-'.join(map(str, net.layers))}, {net.n_weights} binary weights, "
            f"{2**net.n_weights:,} networks"
            + (f", hidden units: {net.units}" if len(net.layers) > 2 else "")
            + ("" if net.n_classes else f", noise {net.noise:g}"),
        ),
        (
            "circuit",
            f"{config.circuit.ansatz}, {_layers(run)}, {circuit.n_qubits} qubits, "
            f"{circuit.n_params} parameters, {len(circuit)} gates",
        ),
        ("objective", repr(config.build_objective())),
        (
            "gradient",
            _gradient(run),
        ),
        (
            "training",
            f"{training.inits} initialisations ({training.start}), {training.steps} steps, "
            f"{config.build_optimizer()}, seed {training.seed}",
        ),
    ]
    return Section("What was run", config.classical_note, table=Table(["", ""], rows))


def _gradient(run: Run) -> str:
    gradient = run.config.build_gradient()
    shots = getattr(gradient, "shots", None)
    each = "" if gradient.name == "sampled" else "of each setting "
    measured = "" if shots is None else f", {shots} shots {each}a step"
    bias = f"; biased: {gradient.bias}" if gradient.bias else ""
    return f"{gradient.name}{measured}{bias}"


def _hardware(run: Run) -> list[Section]:
    """What devices and growing noise make of the trained distributions, where that was measured."""
    found = []
    for measured in hardware.evaluations(run.folder):
        median, n_inits = measured["measured"].median("init"), measured.sizes["init"]
        names = [str(name) for name in measured["measure"].values]
        rows = [
            [str(kind), *(f"{round(float(v), 4) + 0.0:.4f}" for v in median.sel(kind=kind).values)]
            for kind in measured["kind"].values
        ]
        text = (
            f"{measured.attrs['shots']} shots of each trained start on "
            f"{measured.attrs['backend']}, median of {n_inits}: the distribution without noise, "
            "what was measured, and, where it was asked for, the same shots with readout errors "
            "corrected (quasi-probabilities that weigh expectations; experimental). mmd2 is the "
            "squared MMD to the distribution without noise, estimated without bias."
        )
        title = f"Ideal, noisy, mitigated: {measured.attrs['backend']}"
        found.append(Section(title, text, table=Table(["", *names], rows)))
    curve = hardware.curve(run.folder)
    if curve is not None:
        caption = "Median and range over starts; dashed: without noise."
        text = (
            f"Every gate is followed by depolarising noise on its qubits; {curve.attrs['shots']} "
            "shots at each rate."
        )
        figures = [(caption, plotting.noise_resilience(curve))]
        found.append(Section("Under growing noise", text, figures))
    return found


def _metrics(run: Run, init: int) -> Section:
    names, values = evaluation.summary(run.result)
    titles = [evaluation.METRICS[name].title for name in run.result["metric"].values.tolist()]
    rows = []
    for name, row in zip(names, values, strict=True):
        # Adding zero turns a rounded -0.0 into 0.0.
        cells = ("-" if np.isnan(cell) else f"{round(cell, 4) + 0.0:.4f}" for cell in row)
        rows.append([name, *cells])
    text = (
        f"All on the {len(run.data.y_test)} test points, in nats where logarithms are involved. "
        "The first columns are of the posterior predictive; KL(q || posterior) and TV, the total "
        "variation, are the distance to the exact posterior; the expected ones are of a single "
        "network drawn from the distribution. The exact posterior is what a perfect method would "
        "reach."
    )
    if not run.net.n_classes:
        text += (
            " Errors and densities are in units of the training targets' standard deviation; "
            "coverage is that of the central 90 % interval, best at 0.9."
        )
    return Section(
        "Metrics beside the ground truth",
        text,
        [_calibration(run, run.probabilities(init))],
        Table(["", *titles], rows, highlight=0),
    )


def _calibration(run: Run, q: NDArray[np.float64]) -> tuple[str, Figure]:
    X, y = run.data.X_test, run.data.y_test
    if run.net.n_classes:
        p = prediction.predict(run.net, X, q).probabilities
        figure = plotting.reliability(p.max(axis=1), p.argmax(axis=1) == y)
        return "Confidence against accuracy, best start: on the diagonal is calibrated.", figure
    _, cumulative = regression.mixture(run.net, X, y, q)
    figure = plotting.interval_calibration(cumulative[:, 0])
    return "What central intervals hold, best start: on the diagonal is calibrated.", figure


def _training(run: Run) -> Section:
    evidence = float(run.result.attrs["log_evidence"])
    elbo = run.config.objective.name == "elbo"
    history = run.result.isel(init=~run.failed)
    figures = [
        (
            "Objective and its two parts: median and 10-90 % over initialisations.",
            plotting.training_curves(history, evidence if elbo else None),
        ),
        ("Euclidean norm of the gradient.", plotting.gradient_magnitude(history)),
    ]
    if "kl" in history:
        caption = "KL(q || posterior), the gap of the exact ELBO to the evidence."
        figures.append((caption, plotting.ground_truth(history)))
    text = f"log evidence log p(D) = {evidence:.3f} nats. {run.failed_note}".strip()
    return Section("Training", text, figures)


def _distribution(
    run: Run, q: NDArray[np.float64], posterior: ExactPosterior, init: int
) -> Section:
    kl = float(posterior.kl_from(q))
    text = (
        f"Start {init}, the nearest to the posterior: KL(q || posterior) = {kl:.4f} nats, the gap "
        "of its exact ELBO to the evidence."
    )
    caption = "Probability of networks under the trained circuit and under the exact posterior."
    figure = plotting.distribution(q, posterior.probabilities)
    table = _architectures(run, q, posterior) if run.net.n_architecture else None
    return Section("The distribution over networks", text, [(caption, figure)], table)


def _architectures(run: Run, q: NDArray[np.float64], posterior: ExactPosterior) -> Table:
    trained, exact = (run.net.architecture_probabilities(p) for p in (q, posterior.probabilities))
    best = sorted(exact, key=exact.__getitem__, reverse=True)[:_ARCHITECTURES]
    rows = [[name, f"{trained[name]:.4f}", f"{exact[name]:.4f}"] for name in best]
    note = "" if len(best) == len(exact) else f"The {len(best)} most probable of {len(exact)}."
    return Table(["architecture", "trained", "exact posterior"], rows, note=note)


def _predictions(run: Run, q: NDArray[np.float64], posterior: ExactPosterior) -> Section:
    data = run.data
    figures: list[tuple[str, Figure]] = []
    if data.n_classes == 0 and data.n_features == 1:
        figures += _bands(run, q, posterior)
    if data.n_features == 2 and data.n_classes == 2:
        figures += _boundaries(run, q, posterior)
    p = prediction.predict(run.net, data.X_test, q).probabilities if data.n_classes else None
    if p is not None and data.n_classes > 2:
        figure = plotting.confusion(p.argmax(axis=1), data.y_test, data.class_names)
        figures.append(("Test points by their class and the predicted one, best start.", figure))
    if p is not None and data.image_shape is not None:
        if len(run.net.layers) == 2 and data.n_classes == 2:
            maps = [_mean_weights(run, x) for x in (q, posterior.probabilities)]
            figures.append(
                (
                    "Mean of each pixel's weight, trained and exact.",
                    plotting.weight_map(maps[0], maps[1], data.image_shape),
                )
            )
        figures.append(
            (
                "The test images that the trained distribution is least sure of.",
                plotting.hardest_images(
                    data.X_test, data.y_test, p, data.image_shape, data.class_names
                ),
            )
        )
    text = ""
    if not figures:
        text = (
            "Pictures are drawn for images, more than two classes, two classes in two features, "
            "and regression over one feature."
        )
    return Section("Predictions and their uncertainty", text, figures)


def _bands(
    run: Run, q: NDArray[np.float64], posterior: ExactPosterior
) -> Sequence[tuple[str, Figure]]:
    data = run.data
    points = np.concatenate([data.X_train, data.X_test])
    grid = np.linspace(points.min() - 0.4, points.max() + 0.4, _GRID)[:, None]
    figures = []
    captions = ("Trained, best start: mean, doubt and noise.", "Exact posterior: the same.")
    for caption, weights in zip(captions, (q, posterior.probabilities), strict=True):
        found = regression.regress(run.net, grid, weights)
        lower, upper = regression.interval(run.net, grid, weights)
        figure = plotting.predictive_band(
            grid[:, 0],
            found.mean[:, 0],
            found.epistemic[:, 0],
            lower[:, 0],
            upper[:, 0],
            data.X_train[:, 0],
            data.y_train,
            data.feature_names[0],
            data.target_name,
        )
        figures.append((caption, figure))
    return figures


def _boundaries(
    run: Run, q: NDArray[np.float64], posterior: ExactPosterior
) -> Sequence[tuple[str, Figure]]:
    data = run.data
    points = np.concatenate([data.X_train, data.X_test])
    low, high = points.min(axis=0) - 0.4, points.max(axis=0) + 0.4
    xx, yy = np.meshgrid(*(np.linspace(a, b, _GRID) for a, b in zip(low, high, strict=True)))
    grid = np.stack([xx.ravel(), yy.ravel()], axis=1)
    both = prediction.predict(run.net, grid, np.stack([q, posterior.probabilities]))
    captions = ("Trained, best start: probability and doubt.", "Exact posterior: the same.")
    return [
        (
            caption,
            plotting.decision_boundary(
                xx,
                yy,
                both.probabilities[i, :, 1].reshape(xx.shape),
                both.epistemic[i].reshape(xx.shape),
                data.X_train,
                data.y_train,
                data.class_names,
                data.feature_names,
            ),
        )
        for i, caption in enumerate(captions)
    ]


def _mean_weights(run: Run, q: NDArray[np.float64]) -> NDArray[np.float64]:
    """E_q of the weights of the first layer of a network without hidden units, shape (d,)."""
    outcomes = np.arange(len(q))
    return np.array([q @ (1.0 - 2.0 * (outcomes >> i & 1)) for i in range(run.data.n_features)])
