"""The figures that this package makes."""

from __future__ import annotations

import matplotlib.figure

from qhypernet.plotting._svg import text_of


class Figure(matplotlib.figure.Figure):
    """matplotlib's, and notebooks show it where it is a cell's last value.

    matplotlib's own needs pyplot for that.
    """

    def _repr_svg_(self) -> tuple[str, dict[str, str]]:
        # The ground is transparent and the ink dark: Jupyter puts something light behind it.
        return text_of(self), {"needs_background": "light"}
