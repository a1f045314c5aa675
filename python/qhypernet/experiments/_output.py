"""Findings as files: figures, numbers, and a short text; and a page of all of them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qhypernet import _core, storage
from qhypernet.experiments._base import Experiment, Findings
from qhypernet.plotting._style import house_style
from qhypernet.report import Section, Table, render_page

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_DPI = 130


@dataclass(frozen=True)
class Made:
    """How findings were made."""

    command: str
    seconds: float
    """Time of the runs, with those of earlier attempts."""

    def line(self) -> str:
        """The command and its cost."""
        return (
            f"Made by `{self.command}` with qhypernet {_core.__version__}, seed 0, in "
            f"{self.seconds:.0f} s of runs."
        )


def write(experiment: Experiment, findings: Findings, made: Made, folder: Path) -> None:
    """Writes NAME.md with its figures NAME-1.png ..., and NAME.csv.

    Raises:
        OSError: A file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = [f"# {experiment.title}", findings.text]
    for number, (caption, figure) in enumerate(findings.figures.items(), 1):
        file = folder / f"{experiment.name}-{number}.png"
        storage.write_bytes(file, _png(figure))
        parts.append(f"![{caption}]({file.name})\n\n*{caption}*")
    for caption, table in findings.tables.items():
        parts.append(f"**{caption}**\n\n{_markdown(table)}")
    if findings.data is not None:
        file = folder / f"{experiment.name}.csv"
        storage.write_text(file, findings.data.to_csv(index=False, float_format="%.8g"))
        parts.append(f"All numbers: `{file.name}`, which the command writes beside this page.")
    parts.append(made.line())
    storage.write_text(folder / f"{experiment.name}.md", "\n\n".join(parts) + "\n")


def write_index(
    all_found: dict[str, tuple[Experiment, Findings, Made]], folder: Path, subtitle: str
) -> Path:
    """Writes one page of all findings, and returns its path."""
    sections = [section for found in all_found.values() for section in _sections(*found)]
    page = render_page("Experiments", subtitle, sections, f"qhypernet {_core.__version__}, seed 0")
    storage.write_text(folder / "report.html", page)
    return folder / "report.html"


def _sections(experiment: Experiment, findings: Findings, made: Made) -> list[Section]:
    """One with text and figures, and one for each further table."""
    tables = [(caption, _table(table)) for caption, table in findings.tables.items()]
    figures = list(findings.figures.items())
    first = Section(experiment.title, findings.text, figures, code=made.command)
    return [first, *(Section(caption, "", table=table) for caption, table in tables)]


def _table(table: pd.DataFrame) -> Table:
    rows = [
        [str(name), *(_cell(cell) for cell in row)]
        for name, row in zip(table.index, table.values, strict=True)
    ]
    return Table(["", *map(str, table.columns)], rows)


def _markdown(table: pd.DataFrame) -> str:
    shown = _table(table)
    head = [list(shown.columns), ["---"] * len(shown.columns)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [*head, *shown.rows])


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with house_style():
        # No date and no version inside: the same figure is the same file.
        figure.savefig(buffer, dpi=_DPI, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()
