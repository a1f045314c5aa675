"""The plots of a run: ratios over n, the cost of an amplitude, and a roofline."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from _case import OURS, Row, ratios
from _goals import Rows
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qhypernet.plotting._style import BLUE, GREY, INK, ORANGE, VERMILLION, house_style, light_grid

# Okabe and Ito's colours; each peer also has a marker, and both in all plots.
_COLOURS = (BLUE, ORANGE, "#009E73", VERMILLION, "#CC79A7", "#56B4E9", GREY, INK, "#B8A500")
_MARKERS = "os^Dv<>PX"
_PEERS = (
    "lightning", "mimiq", "jax", "qulacs", "qevedo", "mindquantum", "aer", "qiskit", "pennylane",
)  # fmt: skip
_STYLES = {
    peer: {"color": colour, "marker": marker}
    for peer, colour, marker in zip(_PEERS, _COLOURS, _MARKERS, strict=True)
} | {"qsim": {"color": "#6A3D9A", "marker": "*"}}

# Goals for the ratio, up to n = 16 and above.
_TARGETS = {"forward double": (10, 6), "forward single": (10, 4), "gradient double": (20, 12)}

# Floating-point operations of an amplitude, qubit and layer, as the textbook has them: RY is two
# products and a sum on either part (6), RZ a complex product (6), CX none. A gradient turns two
# states back besides, and sums Im(conj(lambda) P psi) for two generators (4 each).
_FLOP = {"forward": 12, "gradient": 12 * 3 + 8}
# Bytes of an amplitude and layer, each state read and written once: 16 bytes each way; a gradient
# does so with two states on the way back.
_BYTES = {"forward": 32, "gradient": 32 * 3}


def draw(rows: list[Row], folder: Path) -> list[Path]:
    """Draws what the rows suffice for."""
    found = Rows(rows)
    written = []
    with house_style(), plt.rc_context({"savefig.facecolor": "white"}):
        for name, plot in (("ratios", _ratios), ("cost", _cost), ("roofline", _roofline)):
            figure = plot(found)
            if figure is not None:
                path = folder / f"{name}.svg"
                figure.savefig(path, metadata={"Date": None})
                plt.close(figure)
                written.append(path)
    return written


def _ratios(rows: Rows) -> Figure | None:
    """How many times as long as ours each peer takes, over n."""
    groups = [group for group in _TARGETS if any(rows.cases(group))]
    if not groups:
        return None
    figure, panels = plt.subplots(
        1, len(groups), figsize=(3.6 * len(groups), 3.6), sharey=True, layout="constrained",
        squeeze=False,
    )  # fmt: skip
    handles: dict[str, object] = {}
    for axes, group in zip(panels[0], groups, strict=True):
        points: dict[str, list[tuple[float, ...]]] = {}
        for case in rows.cases(group):
            for peer, row in case.items():
                if peer in _STYLES:
                    quartiles = np.quantile(ratios(row, case[OURS]), [0.5, 0.25, 0.75])
                    points.setdefault(peer, []).append((row.tags["n"], *quartiles))
        for peer, values in points.items():
            n, middle, low, high = np.array(values).T
            (line,) = axes.plot(n, middle, label=peer, markersize=4, **_STYLES[peer])
            axes.fill_between(n, low, high, color=_STYLES[peer]["color"], alpha=0.15, linewidth=0)
            handles.setdefault(peer, line)
        small, large = _TARGETS[group]
        axes.plot([10, 16], [small, small], color=INK, linestyle=":")
        (goal,) = axes.plot([18, 22], [large, large], color=INK, linestyle=":")
        axes.axhline(1, color=GREY, linewidth=0.8)
        axes.set(title=group, xlabel="qubits", yscale="log")
        light_grid(axes)
    panels[0][0].set_ylabel("peer's time / ours")
    handles["goal"] = goal
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=min(6, len(handles))
    )
    return figure


def _cost(rows: Rows) -> Figure | None:
    """Nanoseconds an amplitude, qubit and layer, over n."""
    if not any(rows.cases("cost")):
        return None
    figure, axes = plt.subplots(figsize=(5.4, 3.4), layout="constrained")
    for kind, colour, marker in (("forward", BLUE, "o"), ("gradient", ORANGE, "s")):
        points = []
        for case in rows.cases(f"cost, {kind}"):
            row = case[OURS]
            low, middle, high = np.quantile(row.seconds, [0.25, 0.5, 0.75]) / row.amount * 1e9
            points.append((row.tags["n"], middle, low, high))
        if not points:
            continue
        n, middle, low, high = np.array(points).T
        axes.plot(n, middle, color=colour, marker=marker, label=kind)
        axes.fill_between(n, low, high, color=colour, alpha=0.15, linewidth=0)
        # Within 1.7 times of the least is the goal.
        axes.axhline(1.7 * middle.min(), color=colour, linestyle=":", linewidth=1)
    axes.set(
        xlabel="qubits", ylabel="ns per amplitude, qubit and layer", ylim=(0, None),
        title="Cost of an amplitude (dotted: 1.7 times the least)",
    )  # fmt: skip
    light_grid(axes)
    axes.legend()
    return figure


def _roofline(rows: Rows) -> Figure | None:
    """Nominal FLOP/s over nominal FLOP/byte, under what the machine was measured to do."""
    limits = {case["NumPy"].case: case["NumPy"] for case in rows.cases("machine")}
    if not limits or not any(rows.cases("cost")):
        return None
    rates = {name: row.amount / row.median for name, row in limits.items()}
    peak = rates["machine, multiply"] / 1e9
    bandwidth = max(rates["machine, copy"], rates["machine, add"]) / 1e9
    figure, axes = plt.subplots(figsize=(5.4, 3.8), layout="constrained")
    intensity = np.geomspace(0.5, 64, 200)
    axes.plot(intensity, np.minimum(peak, bandwidth * intensity), color=INK)
    axes.annotate(f"{bandwidth:.3g} GB/s (copy)", (1.1, bandwidth), fontsize=8, va="top")
    axes.annotate(f"{peak:.3g} GFLOP/s (dgemm)", (60, peak), fontsize=8, va="bottom", ha="right")
    for kind, colour, marker in (("forward", BLUE, "o"), ("gradient", ORANGE, "s")):
        _points(axes, rows, kind, color=colour, marker=marker)
    axes.set(
        xscale="log", yscale="log", title="Roofline: a state read and written once a layer",
        xlabel="nominal FLOP per byte", ylabel="nominal GFLOP/s",
        xlim=(0.5, 64), ylim=(min(peak, bandwidth) / 8, peak * 1.6),
    )  # fmt: skip
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")
    light_grid(axes)
    axes.legend(loc="lower right")
    return figure


def _points(axes: Axes, rows: Rows, kind: str, **style: str) -> None:
    label: str | None = kind
    for case in rows.cases(f"cost, {kind}"):
        row = case[OURS]
        n = row.tags["n"]
        rate = _FLOP[kind] * row.amount / row.median / 1e9
        x = _FLOP[kind] * n / _BYTES[kind]
        axes.plot(x, rate, linestyle="", markersize=5, label=label, **style)
        axes.annotate(str(n), (x, rate), xytext=(4, -8), textcoords="offset points", fontsize=7)
        label = None
