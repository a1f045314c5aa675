"""A figure as text that can stand inside a page."""

from __future__ import annotations

import base64
import io

from matplotlib.figure import Figure

from qhypernet.plotting._style import RASTER_DPI, house_style


def embed(figure: Figure) -> str:
    """Return the figure as the ``data:image/svg+xml;base64,...`` address of an HTML image.

    As an image of its own, a figure's element ids cannot clash with those of another one on the
    page. Letters are outlines, so no font is needed; rasterised parts are PNGs inside the SVG.
    A figure built anew from the same data gives the same text; the same object drawn a second time
    may not, since matplotlib's layout starts from where it ended and settles a hair elsewhere.

    Example:
        >>> from matplotlib.figure import Figure
        >>> embed(Figure()).startswith("data:image/svg+xml;base64,")
        True
    """
    return "data:image/svg+xml;base64," + base64.b64encode(text_of(figure).encode()).decode("ascii")


def text_of(figure: Figure) -> str:
    """Return the figure as SVG."""
    buffer = io.BytesIO()
    with house_style():
        figure.savefig(buffer, format="svg", dpi=RASTER_DPI, metadata={"Date": None})
    return buffer.getvalue().decode()
