"""A figure that a page draws is shown in light ink on a dark page.

Figures have transparent ground. What is drawn on the page itself has the ink and the greys of
``qhypernet.plotting``, and gets others; colours of data stay, and so do marks on pale ground.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from qhypernet.plotting._style import AXIS, GREY, GRID, INK

_DARK = {INK: "#CFD8E3", AXIS: "#7B8794", GRID: "#323A45", GREY: "#9AA5B1"}


def dark(svg: str) -> str:
    """The same picture for a dark page."""
    for light, other in _DARK.items():
        svg = svg.replace(light.lower(), other.lower())
    return svg


def _add(app: Sphinx, doctree: nodes.document) -> None:
    folder = (Path(app.outdir).parent / "jupyter_execute").resolve()
    for image in list(doctree.findall(nodes.image)):
        path = Path(app.env.relfn2path(image["uri"])[1]).resolve()
        if path.suffix != ".svg" or folder not in path.parents:
            continue
        other = path.with_name(f"{path.stem}-dark.svg")
        other.write_text(dark(path.read_text()))
        image["alt"] = "What the code above draws"
        twin = image.deepcopy()
        twin["uri"] = image["uri"].replace(path.name, other.name)
        image["classes"].append("only-light")
        twin["classes"].append("only-dark")
        image.parent.insert(image.parent.index(image) + 1, twin)


def setup(app: Sphinx) -> dict[str, Any]:
    """Before Sphinx collects the images of a page."""
    app.connect("doctree-read", _add, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
