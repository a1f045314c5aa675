"""Figures: what was drawn is read back from the artists and compared with the data."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import FillBetweenPolyCollection, LineCollection, QuadMesh
from matplotlib.colors import to_hex
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from qhypernet import plotting


def x_of(line: Line2D) -> NDArray[np.float64]:
    return np.asarray(line.get_xdata(), dtype=np.float64)


def y_of(line: Line2D) -> NDArray[np.float64]:
    return np.asarray(line.get_ydata(), dtype=np.float64)


def make_history(n_inits: int = 5, n_steps: int = 30, seed: int = 0) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    nll = 50 + 30 * rng.random((n_inits, n_steps))
    regularizer = 5 * rng.random((n_inits, n_steps))
    return xr.Dataset(
        {
            "objective": (("init", "step"), nll + regularizer),
            "expected_nll": (("init", "step"), nll),
            "regularizer": (("init", "step"), regularizer),
            "gradient_norm": (("init", "step"), np.exp(rng.normal(size=(n_inits, n_steps)))),
            "weight": (("step",), np.ones(n_steps)),
        }
    )


def svg(figure: Figure) -> str:
    text = plotting.embed(figure)
    prefix = "data:image/svg+xml;base64,"
    assert text.startswith(prefix)
    return base64.b64decode(text.removeprefix(prefix), validate=True).decode()


def example_boundary(G: int = 25) -> Figure:
    xx, yy = np.meshgrid(np.linspace(-2, 2, G), np.linspace(-1, 1, G + 1))
    p = 1 / (1 + np.exp(-3 * (xx - 0.4)))
    X = np.array([[-1.0, 0.1], [1.0, 0.2], [1.5, -0.3]])
    return plotting.decision_boundary(
        xx, yy, p, 0.1 * p * (1 - p), X, [0, 1, 1], ["cat", "dog"], ["length", "weight"]
    )


EXAMPLES: dict[str, Callable[[], Figure]] = {
    "training_curves": lambda: plotting.training_curves(make_history(), -40.0),
    "training_curves_one_init": lambda: plotting.training_curves(make_history(1)),
    "training_curves_one_step": lambda: plotting.training_curves(make_history(3, 1)),
    "gradient_magnitude": lambda: plotting.gradient_magnitude(make_history()),
    "distribution": lambda: plotting.distribution(np.full(8, 1 / 8), np.eye(8)[3]),
    "distribution_two_networks": lambda: plotting.distribution([0.5, 0.5], [0.1, 0.9]),
    "decision_boundary": example_boundary,
    "reliability": lambda: plotting.reliability([0.5, 0.7, 1.0], [True, False, True]),
    "weight_map": lambda: plotting.weight_map(np.linspace(-1, 1, 16), np.zeros(16), (4, 4)),
    "hardest_images": lambda: plotting.hardest_images(
        np.eye(4), [0, 1, 1, 0], [0.2, 0.9, 0.4, 0.6], (2, 2), ["a", "b"]
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_figure_embeds_and_leaves_matplotlib_as_it_was(name: str) -> None:
    before = dict(matplotlib.rcParams)
    text = svg(EXAMPLES[name]())
    assert dict(matplotlib.rcParams) == before
    assert text == svg(EXAMPLES[name]())  # built anew from the same data: the same bytes
    root = ElementTree.fromstring(text)
    assert root.tag.endswith("svg")
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    # Nothing is fetched: every reference is to the image itself.
    references = re.findall(r'xlink:href="([^"]{0,24})', text)
    assert all(reference.startswith(("#", "data:image/png")) for reference in references)


def test_user_settings_do_not_leak_into_figures() -> None:
    plain = svg(EXAMPLES["reliability"]())
    with matplotlib.rc_context({"lines.linewidth": 9, "font.size": 30, "axes.grid": True}):
        assert svg(EXAMPLES["reliability"]()) == plain


def test_a_notebook_shows_a_figure_and_puts_something_light_behind_it() -> None:
    from IPython.core.formatters import DisplayFormatter

    shown, how = DisplayFormatter().format(EXAMPLES["reliability"]())
    assert shown["image/svg+xml"].startswith("<?xml")
    assert how["image/svg+xml"] == {"needs_background": "light"}


def test_pyplot_is_never_used() -> None:
    code = (
        "import sys; from qhypernet import plotting as p;"
        "p.embed(p.reliability([0.5], [True])); print('matplotlib.pyplot' in sys.modules)"
    )
    root = Path(plotting.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_training_curves_show_median_band_and_floor() -> None:
    history = make_history(n_inits=11)
    figure = plotting.training_curves(history, log_evidence=-40.0)
    names = ("objective", "expected_nll", "regularizer")
    for axes, name in zip(figure.axes, names, strict=True):
        rows = np.sort(history[name].values, axis=0)
        np.testing.assert_allclose(y_of(axes.lines[0]), rows[5])  # the 6th of 11
        (band,) = (c for c in axes.collections if isinstance(c, FillBetweenPolyCollection))
        outline = np.asarray(band.get_paths()[0].vertices)
        for step in (0, 17):
            heights = outline[outline[:, 0] == step, 1]
            # With 11 values the 10 % and 90 % quantiles are the 2nd and the 10th.
            assert heights.min() == pytest.approx(rows[1, step])
            assert heights.max() == pytest.approx(rows[9, step])
    (floor,) = figure.axes[0].lines[1:]
    assert set(y_of(floor).tolist()) == {40.0}
    assert len(figure.axes[1].lines) == 1


def test_training_curves_take_any_dim_order_steps_and_gaps() -> None:
    history = make_history(n_inits=4).assign_coords(step=np.arange(30) * 10)
    history["objective"][2, 7:] = np.nan
    line = plotting.training_curves(history.transpose("step", "init")).axes[0].lines[0]
    kept = history["objective"].values[[0, 1, 3], 20]
    assert x_of(line)[20] == 200
    assert y_of(line)[20] == pytest.approx(np.median(kept))
    assert line.get_label() == "median of 4 starts (1 with gaps)"


def test_one_start_is_a_line_without_band() -> None:
    history = make_history(n_inits=1)
    for axes in plotting.training_curves(history).axes:
        assert not axes.collections
    line = plotting.gradient_magnitude(history).axes[0].lines[0]
    np.testing.assert_allclose(y_of(line), history["gradient_norm"].values[0])


def test_weight_is_drawn_only_where_it_changes() -> None:
    history = make_history()
    assert len(plotting.training_curves(history).axes) == 3
    history["weight"] = (("step",), np.linspace(50, 1, 30))
    axes = plotting.training_curves(history).axes
    assert len(axes) == 4
    np.testing.assert_allclose(y_of(axes[3].lines[0]), np.linspace(50, 1, 30))


def test_gradient_of_zero_is_left_out_of_the_logarithm() -> None:
    history = make_history(n_inits=3)
    history["gradient_norm"][:, 4] = 0.0
    axes = plotting.gradient_magnitude(history).axes[0]
    assert axes.get_yscale() == "log"
    assert np.isnan(y_of(axes.lines[0])[4])
    history["gradient_norm"][:] = 0.0
    figure = plotting.gradient_magnitude(history)
    assert figure.axes[0].texts[0].get_text() == "zero at every step"
    svg(figure)


def test_long_histories_stay_small() -> None:
    text = svg(plotting.training_curves(make_history(100, 5000)))
    assert len(text) < 1_500_000
    assert "data:image/png" in text  # the bands are pictures


def test_distribution_ranks_by_posterior_and_accumulates() -> None:
    rng = np.random.default_rng(1)
    q, posterior = rng.dirichlet(np.full(64, 0.2), size=2)
    left, right = plotting.distribution(q, posterior, n_top=10).axes
    pairs = sorted(zip(posterior, q, strict=True), reverse=True)
    exact_bars, q_bars = (c for c in left.containers if isinstance(c, BarContainer))
    assert [bar.get_height() for bar in exact_bars] == [p for p, _ in pairs[:10]]
    assert [bar.get_height() for bar in q_bars] == [value for _, value in pairs[:10]]
    exact, same_order, own_order = right.lines
    for line, values in (
        (exact, [p for p, _ in pairs]),
        (same_order, [value for _, value in pairs]),
        (own_order, sorted(q, reverse=True)),
    ):
        for rank, mass in zip(x_of(line), y_of(line), strict=True):
            assert mass == pytest.approx(sum(values[: int(rank)]))
    assert (x_of(exact)[0], x_of(exact)[-1]) == (1, 64)
    colours = [to_hex(c.patches[0].get_facecolor()) for c in (exact_bars, q_bars)]
    assert colours == [to_hex(exact.get_color()), to_hex(same_order.get_color())]


def test_distribution_of_many_networks_draws_few_points() -> None:
    q = np.random.default_rng(2).dirichlet(np.ones(2**16))
    right = plotting.distribution(q, q[::-1]).axes[1]
    assert len(x_of(right.lines[0])) <= 400
    assert y_of(right.lines[0])[-1] == pytest.approx(1)


def test_decision_boundary_shows_field_contour_and_points() -> None:
    figure = example_boundary()
    left, right = figure.axes[:2]
    (mesh,) = (c for c in left.collections if isinstance(c, QuadMesh))
    assert np.asarray(mesh.get_array()).shape == (26, 25)
    assert (mesh.norm.vmin, mesh.norm.vmax) == (0, 1)
    assert mesh.get_rasterized()
    contour = next(
        c for c in left.collections if c.get_paths() and "ContourSet" in type(c).__name__
    )
    np.testing.assert_allclose(np.asarray(contour.get_paths()[0].vertices)[:, 0], 0.4, atol=0.01)
    offsets = {c.get_label(): np.asarray(c.get_offsets()).tolist() for c in left.collections[-2:]}
    assert offsets == {"cat": [[-1.0, 0.1]], "dog": [[1.0, 0.2], [1.5, -0.3]]}
    assert (left.get_xlabel(), left.get_ylabel()) == ("length", "weight")
    (mesh,) = (c for c in right.collections if isinstance(c, QuadMesh))
    assert mesh.norm.vmin == 0
    assert mesh.norm.vmax == pytest.approx(0.025, rel=0.02)  # p(1-p) is 1/4 at the boundary


def test_decision_boundary_without_any_boundary() -> None:
    xx, yy = np.meshgrid([0.0, 1.0], [0.0, 1.0])
    zero = np.zeros((2, 2))
    figure = plotting.decision_boundary(
        xx, yy, zero + 0.9, zero, [[0.0, 0.0]], [0], ["a", "b"], ["u", "v"]
    )
    svg(figure)  # neither an empty contour nor an empty colour range may warn


def test_reliability_bins() -> None:
    confidence = [0.55, 0.58, 0.6, 0.93, 0.97, 1.0]
    correct = [True, False, True, True, True, False]
    above, below = plotting.reliability(confidence, correct).axes
    points = next(line for line in above.lines if line.get_marker() == "o")
    np.testing.assert_allclose(x_of(points), [0.565, 0.6, 2.9 / 3])
    np.testing.assert_allclose(y_of(points), [0.5, 1.0, 2 / 3])
    (bars,) = (c for c in below.containers if isinstance(c, BarContainer))
    counts = {round(bar.get_x(), 3): int(bar.get_height()) for bar in bars.patches}
    assert {left: count for left, count in counts.items() if count} == {0.5: 2, 0.6: 1, 0.9: 3}
    gaps = next(c for c in above.collections if c.get_label() == "gap")
    assert isinstance(gaps, LineCollection)
    np.testing.assert_allclose(gaps.get_segments()[0][:, 1], [0.565, 0.5])


def test_weight_map_shows_both_maps_on_one_scale() -> None:
    trained, posterior = np.linspace(-1, 1, 6), np.linspace(0.2, -0.001, 6)
    left, right = plotting.weight_map(trained, posterior, (2, 3)).axes[:2]
    np.testing.assert_array_equal(left.images[0].get_array(), trained.reshape(2, 3))
    np.testing.assert_array_equal(right.images[0].get_array(), posterior.reshape(2, 3))
    assert left.images[0].get_clim() == right.images[0].get_clim() == (-1, 1)
    assert [text.get_text() for text in left.texts][:2] == [
        "\N{MINUS SIGN}1.00",
        "\N{MINUS SIGN}0.60",
    ]
    assert right.texts[-1].get_text() == "+0.00"  # not a minus zero
    assert not plotting.weight_map(np.zeros(100), np.zeros(100), (10, 10)).axes[0].texts


def test_hardest_images_come_in_order_and_say_what_is_wrong() -> None:
    X = np.arange(20.0).reshape(5, 4)
    p1 = [0.99, 0.45, 0.52, 0.1, 0.7]
    figure = plotting.hardest_images(X, [1, 1, 1, 0, 0], p1, (2, 2), ["3", "8"], n=3)
    titles = [axes.get_title(loc="center") for axes in figure.axes]
    assert titles == ["8, p = 0.52\nright", "3, p = 0.55\nwrong, is 8", "8, p = 0.70\nwrong, is 3"]
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), X[2].reshape(2, 2))
    of_each = np.column_stack([1 - np.array(p1), p1])
    again = plotting.hardest_images(X, [1, 1, 1, 0, 0], of_each, (2, 2), ["3", "8"], n=3)
    assert [axes.get_title(loc="center") for axes in again.axes] == titles
    many = plotting.hardest_images(np.tile(X, (2, 1)), [0] * 10, p1 * 2, (2, 2), ["3", "8"], n=9)
    assert sum(axes.get_visible() for axes in many.axes) == 9


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: plotting.training_curves(make_history().drop_vars("regularizer")),
            "history must have the variable 'regularizer', got",
        ),
        (
            lambda: plotting.training_curves(make_history().isel(init=0)),
            r"history\['objective'\] must have dims \(init, step\)",
        ),
        (
            lambda: plotting.gradient_magnitude(make_history().isel(step=slice(0))),
            "neither empty, got",
        ),
        (lambda: plotting.distribution([1.0], [0.5, 0.5]), r"posterior must have shape \(1,\)"),
        (lambda: plotting.distribution([0.5, 0.7], [0.5, 0.5]), "q must sum to 1, got 1.2"),
        (lambda: plotting.distribution([1.5, -0.5], [0.5, 0.5]), "q must be probabilities"),
        (lambda: plotting.distribution([np.nan, 1], [0.5, 0.5]), "q must be probabilities"),
        (lambda: plotting.distribution([1.0], [1.0], n_top=0), "n_top must be at least 1, got 0"),
        (lambda: plotting.reliability([], []), r"confidence must have shape \(D,\), got \(0,\)"),
        (lambda: plotting.reliability([0.5], [0.5]), "correct must hold booleans"),
        (lambda: plotting.reliability([0.5], [True], n_bins=0), "n_bins must be"),
        (lambda: plotting.weight_map([0.0] * 4, [0.0] * 3, (2, 2)), r"posterior .* shape \(4,\)"),
        (lambda: plotting.weight_map([2.0], [0.0], (1, 1)), r"trained must be mean weights"),
        (
            lambda: plotting.hardest_images([[0.0]], [2], [0.5], (1, 1), ["a", "b"]),
            r"y must be class indices in 0\.\.1",
        ),
        (
            lambda: plotting.decision_boundary(
                [[0.0]], [[0.0]], [[0.5]], [[0.1]], [[0.0, 0.0]], [0], ["a", "b", "c"], ["u", "v"]
            ),
            "class_names must be two names",
        ),
    ],
)
def test_bad_arguments_are_named(call: Callable[[], Figure], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
