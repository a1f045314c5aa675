"""The one look of all figures: Okabe and Ito's colours, light lines, a neutral page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

# Okabe & Ito 2008: told apart under all common kinds of colour blindness.
ORANGE = "#E69F00"
BLUE = "#0072B2"
VERMILLION = "#D55E00"

# What is trained and what is exact keep their colours through all figures.
TRAINED = BLUE
EXACT = ORANGE
GREY = "#6B7280"
INK = "#1F2933"
AXIS = "#9AA5B1"
GRID = "#E4E7EB"
# INK for what stands on pale ground and not on the page: no eye tells the two apart, but a page
# that is dark can give one of them another colour and leave the other.
INK_ON_PALE = "#1F2934"

# One colour a class; a class is also told by its marker, never by colour alone.
CLASS_COLOURS = (BLUE, VERMILLION)
CLASS_MARKERS = ("o", "^")

# From class 0 (or weight -1) over undecided to class 1 (or weight +1).
DIVERGING = LinearSegmentedColormap.from_list("blue_vermillion", (BLUE, "#F7F7F7", VERMILLION))
# The same, pale: a ground that points in the class colours stand out from.
DIVERGING_PALE = LinearSegmentedColormap.from_list(
    "pale_blue_vermillion", ("#8FC3E3", "#FAFAFA", "#F3B58C")
)
SEQUENTIAL = LinearSegmentedColormap.from_list("white_green", ("#FBFBFB", "#7CC7AE", "#00543D"))

# Panels with many elements become images inside the SVG, this fine.
RASTER_DPI = 200

_STYLE = {
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": AXIS,
    "xtick.color": AXIS,
    "ytick.color": AXIS,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "lines.linewidth": 1.6,
    "axes.formatter.useoffset": False,
    "svg.fonttype": "path",  # letters as outlines: the page needs no font
    "svg.hashsalt": "qhypernet",  # fixed element ids: a figure made again is the same
}


@contextmanager
def house_style() -> Iterator[None]:
    """Set matplotlib's defaults plus this style inside the block, and restore what was before."""
    with matplotlib.style.context(["default", _STYLE]):
        yield


def plain(names: Iterable[str]) -> list[str]:
    """Names as they are, where matplotlib would read mathematics between dollar signs."""
    return [name.replace("$", r"\$") for name in names]


def light_grid(axes: Axes) -> None:
    """Draw faint horizontal lines to read values from."""
    axes.grid(axis="y")


def legend_below(figure: Figure, axes: Axes) -> None:
    """Put one panel's legend in a row below the figure, where it hides nothing."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
