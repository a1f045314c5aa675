"""Where a run's results go: rows as JSON, a report in Markdown, plots; and into the README."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import _goals
import _plots
import _report
from _case import Row
from _worker import HERE

RESULTS = HERE / "results"
README, PLOTS = HERE / "README.md", HERE / "plots"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def save(rows: list[Row], versions: dict[str, str]) -> None:
    """Keeps what was measured, so that a report can be made again."""
    RESULTS.mkdir(exist_ok=True)
    content = {
        "machine": _report.machine(versions),
        "rows": [dataclasses.asdict(row) for row in rows],
    }
    (RESULTS / "rows.json").write_text(json.dumps(content, indent=1))


def load() -> tuple[list[Row], str]:
    """The rows of the last run, and what it ran on."""
    content = json.loads((RESULTS / "rows.json").read_text())
    return [Row(**row) for row in content["rows"]], content["machine"]


def report() -> str:
    """Writes the report and the plots of the last run, and returns the report's text."""
    rows, machine = load()
    for old in RESULTS.glob("*.svg"):
        old.unlink()
    plots = _plots.draw(rows, RESULTS)
    goals = "\n".join(_report.markdown(_goals.table(rows)))
    images = "\n".join(f"![{path.stem}](plots/{path.name})" for path in plots)
    text = "\n\n".join([machine, goals, images, _report.tables(rows)])
    body = text.replace("](plots/", "](") + "\n\n" + _report.details(rows) + "\n"
    (RESULTS / "report.md").write_text(f"# Benchmarks: the last run\n\n{body}")
    return text


def write(text: str) -> list[Path]:
    """Puts the report into the README, between its markers, and the plots beside it."""
    before, _, rest = README.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
    PLOTS.mkdir(exist_ok=True)
    return [README, *(Path(shutil.copy(path, PLOTS)) for path in sorted(RESULTS.glob("*.svg")))]
