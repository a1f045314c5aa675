"""The report page, read back with the standard library's HTML parser."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure

from qhypernet.report import Section, Table, render_page

VOID = {"meta", "img", "br", "link", "input", "hr"}
NASTY = "<script>alert('1')</script> & \"x\""


class Page(HTMLParser):
    """Collects tags, texts and attributes, and checks that tags are closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open[-1] if self.open else "", data.strip()))

    def text_of(self, tag: str) -> list[str]:
        return [text for where, text in self.texts if where == tag]

    def attributes_of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def full_page() -> str:
    wide, square = Figure(figsize=(10, 3)), Figure(figsize=(4, 4))
    for figure in (wide, square):
        figure.subplots().plot([1, 3, 2])
    table = Table(["model", "accuracy"], [["trained", "0.91"], ["exact", "0.92"]], 1, "On test.")
    return render_page(
        "Moons",
        "SELBO",
        [
            Section("Result", "First.\n\nSecond\nline.", table=table),
            Section("Figures", figures=[("A wide one", wide), ("A square one", square)]),
        ],
        "version 1",
    )


def test_content_arrives_in_order() -> None:
    page = Page(full_page())
    assert page.text_of("h1") == ["Moons"]
    assert page.text_of("h2") == ["Result", "Figures"]
    assert page.text_of("p") == ["SELBO", "First.", "Second\nline.", "On test."]
    assert page.text_of("th") == ["model", "accuracy", "trained", "exact"]
    assert page.text_of("td") == ["0.91", "0.92"]
    assert page.text_of("figcaption") == ["A wide one", "A square one"]
    assert page.text_of("footer") == ["version 1"]
    assert page.text_of("title") == ["Moons"]


def test_highlight_marks_one_row_and_numbers_are_flush_right() -> None:
    page = Page(full_page())
    rows = [attributes.get("class") for attributes in page.attributes_of("tr")]
    assert rows == [None, None, "highlight"]
    assert [a.get("class") for a in page.attributes_of("td")] == ["number", "number"]
    headers = [(a.get("scope"), a.get("class")) for a in page.attributes_of("th")]
    assert headers == [("col", None), ("col", "number"), ("row", None), ("row", None)]


def test_page_is_self_contained_and_identical_each_time() -> None:
    html = full_page()
    assert html == full_page()
    page = Page(html)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    images = page.attributes_of("img")
    assert all(str(image["src"]).startswith("data:image/svg+xml;base64,") for image in images)
    assert not re.search(r"https?://|url\(|@import", html)
    assert "default-src 'none'" in html


def test_images_carry_caption_and_size() -> None:
    images = Page(full_page()).attributes_of("img")
    assert [image["alt"] for image in images] == ["A wide one", "A square one"]
    assert [(image["width"], image["height"]) for image in images] == [
        ("1000", "300"),
        ("400", "400"),
    ]
    classes = [a.get("class") for a in Page(full_page()).attributes_of("figure")]
    assert classes == ["wide", None]


def test_a_figure_too_broad_for_half_the_page_has_a_row_for_itself() -> None:
    figures = [("Six panels", Figure(figsize=(10.5, 6.1))), ("One", Figure(figsize=(5.2, 3.6)))]
    page = Page(render_page("Moons", "SELBO", [Section("Figures", figures=figures)], "version 1"))
    assert [a.get("class") for a in page.attributes_of("figure")] == ["wide", None]


def test_ids_are_unique() -> None:
    ids = Counter(a["id"] for _, a in Page(full_page()).tags if "id" in a)
    assert ids
    assert set(ids.values()) == {1}


def test_all_text_is_escaped() -> None:
    figure = Figure(figsize=(2, 2))
    table = Table([NASTY, "b"], [[NASTY, "1"]], note=NASTY)
    section = Section(NASTY, NASTY, [(NASTY, figure)], table)
    html = render_page(NASTY, NASTY, [section], NASTY)
    assert "<script" not in html
    page = Page(html)
    assert "script" not in {tag for tag, _ in page.tags}
    for tag in ("title", "h1", "h2", "p", "th", "figcaption", "footer"):
        assert NASTY in page.text_of(tag)
    assert page.attributes_of("img")[0]["alt"] == NASTY


def test_empty_parts_leave_no_empty_elements() -> None:
    page = Page(render_page("T", "", [Section("Only a heading")], ""))
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"p", "table", "figure", "footer"}


@pytest.mark.parametrize(
    ("cells", "is_number"),
    [
        (["0.91", "-3", "\N{MINUS SIGN}2.5e-3"], True),
        (["0.745 ± 0.217", "n/a", "\N{EM DASH}"], True),
        (["91 %", "+4"], True),
        (["0.91", "two"], False),
        (["n/a", ""], False),
        (["moons"], False),
        (["2-3-1"], False),
    ],
)
def test_number_columns(cells: list[str], is_number: bool) -> None:
    assert Table(["value"], [[cell] for cell in cells]).is_number == (is_number,)


def test_bad_tables_and_titles_are_named() -> None:
    with pytest.raises(ValueError, match=r"rows\[1\] must have 2 cells, one a column, got 1"):
        Table(["a", "b"], [["1", "2"], ["3"]])
    with pytest.raises(ValueError, match="highlight must be a row index below 1, got 1"):
        Table(["a"], [["1"]], highlight=1)
    with pytest.raises(ValueError, match="highlight must be"):
        Table(["a"], [["1"]], highlight=-1)
    with pytest.raises(ValueError, match="columns must"):
        Table([], [])
    with pytest.raises(ValueError, match="title must not be empty"):
        render_page(" ", "", [], "")
