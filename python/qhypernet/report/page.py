"""One self-contained HTML page: no network, no script."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Template
    from matplotlib.figure import Figure

# A number, perhaps with an uncertainty or a unit sign behind it; or a dash for no value.
_NUMBER = re.compile(r"[+\-\u2212]?[\d.]+(e[+-]?\d+)?( ?(±|\+-) ?[\d.]+(e[+-]?\d+)?)? ?%?")
_NO_VALUE = {"", "-", "\u2013", "\u2014", "n/a", "inf", "-inf", "nan"}

# A figure at least this many times as wide as high, or wider than so many inches, gets a row of the
# page for itself: shrunk to half of it, its letters could not be read.
_WIDE, _BROAD = 1.8, 7.0

# A figure's 10-point letters then come out slightly smaller than the page's text.
PIXELS_PER_INCH = 100


@dataclass(frozen=True)
class Table:
    """A table of text cells.

    Attributes:
        columns: the column names; all empty for a table without a heading.
        rows: one sequence of cells a row, as long as ``columns``; the first cell names the row.
        highlight: index of the row to stress, or None.
        note: a line below the table.

    Raises:
        ValueError: if a row has another length than ``columns``, or ``highlight`` is no row.

    Example:
        >>> Table(["objective", "accuracy"], [["MLE", "0.745"], ["SELBO", "0.936"]]).is_number
        (False, True)
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    highlight: int | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if not self.columns:
            raise ValueError("columns must name at least one column")
        for i, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ValueError(
                    f"rows[{i}] must have {len(self.columns)} cells, one a column, got {len(row)}"
                )
        if self.highlight is not None and not 0 <= self.highlight < len(self.rows):
            raise ValueError(
                f"highlight must be a row index below {len(self.rows)}, got {self.highlight}"
            )

    @property
    def is_number(self) -> tuple[bool, ...]:
        """Whether each column holds numbers throughout, and so is set flush right."""
        return tuple(
            any(_NUMBER.fullmatch(row[j].strip()) for row in self.rows)
            and all(
                row[j].strip().lower() in _NO_VALUE or _NUMBER.fullmatch(row[j].strip())
                for row in self.rows
            )
            for j in range(len(self.columns))
        )


@dataclass(frozen=True)
class Section:
    """A headed part of the page: text, then a table, then figures.

    Attributes:
        title: the heading.
        text: plain text; an empty line starts a new paragraph.
        code: text to copy, set as it is below all else.
        figures: ``(caption, figure)`` pairs; the caption is also what a screen reader reads.
        table: a table, or None.
    """

    title: str
    text: str = ""
    figures: Sequence[tuple[str, Figure]] = field(default=())
    table: Table | None = None
    code: str = ""

    @property
    def paragraphs(self) -> list[str]:
        """The text's paragraphs, without empty ones."""
        return [part.strip() for part in re.split(r"\n\s*\n", self.text) if part.strip()]


def render_page(title: str, subtitle: str, sections: Sequence[Section], footer: str) -> str:
    """Return a self-contained HTML page; all text is escaped.

    Args:
        title: of the page.
        subtitle: one line below it.
        sections: the parts, in order.
        footer: plain text at the end, such as versions and seed.

    Raises:
        ValueError: if the title is empty.

    Example:
        >>> page = render_page("Moons", "SELBO, seed 0", [Section("Result", "a < b")], "v0.1")
        >>> page.startswith("<!doctype html>"), "a &lt; b" in page
        (True, True)
    """
    if not title.strip():
        raise ValueError("title must not be empty")
    from qhypernet.plotting import embed

    return _template().render(
        title=title,
        subtitle=subtitle,
        sections=sections,
        footer=footer,
        embed=embed,
        is_wide=_is_wide,
        size=_size,
    )


def _size(figure: Figure) -> tuple[int, int]:
    """Return width and height in CSS pixels: all figures at one scale, so letters match."""
    width, height = figure.get_size_inches()
    return round(width * PIXELS_PER_INCH), round(height * PIXELS_PER_INCH)


def _is_wide(figure: Figure) -> bool:
    width, height = figure.get_size_inches()
    return bool(width >= _WIDE * height or width > _BROAD)


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    source = files(__package__).joinpath("page.html.j2").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(source)
