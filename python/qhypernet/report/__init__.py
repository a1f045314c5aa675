"""Reports: one self-contained HTML page of text, tables and figures."""

from qhypernet.report.build import write_report
from qhypernet.report.page import Section, Table, render_page

__all__ = ["Section", "Table", "render_page", "write_report"]
