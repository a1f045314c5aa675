"""Formulas as MathML, which browsers draw by themselves: nothing is fetched, nothing runs."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.writers.html5 import HTML5Translator

# Functions stand apart from what they are of.
_FUNCTION = re.compile(r"(<mi>(?:log|exp|max|min)</mi>)(?!<mo[^>]*>&#x00028;)")
# A command that is not known is left as text.
_UNKNOWN = re.compile(r">(\\[A-Za-z]+|&)<")


def _converted(node: nodes.Element, display: str) -> str:
    found = convert(node.astext(), display=display)
    unknown = _UNKNOWN.search(found)
    if unknown:
        raise ExtensionError(f"{node.source}:{node.line}: {unknown[1]}: no such command")
    return _FUNCTION.sub(r'\1<mspace width="0.17em"/>', found)


def _inline(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(_converted(node, "inline"))
    raise nodes.SkipNode


def _block(self: HTML5Translator, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", CLASS="formula"))
    self.body.append(_converted(node, "block"))
    if node["number"]:
        self.body.append(f'<span class="eqno">({node["number"]})</span>')
    self.body.append("</div>")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Makes it the one way in which formulas are drawn."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
