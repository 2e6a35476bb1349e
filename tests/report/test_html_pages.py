"""The report's pages: what they hold, and that names are only text."""

import re
from html.parser import HTMLParser
from pathlib import Path

from i3d.report import html_pages, statistics
from i3d.report.landing import Link, landing
from i3d.report.near_copies import NearCopies
from tests.support.rows import row

HOSTILE = "test/<script>alert(1)</script>&\"'.mp4"


class Table(HTMLParser):
    """The rows of a page's table body: text of the cells, and the row's attributes."""

    def __init__(self, page):
        super().__init__()
        self.rows, self.attributes, self._cell = [], [], None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
            self.attributes.append(dict(attrs))
        if tag == "td":
            self._cell = ""

    def handle_data(self, data):
        if self._cell is not None:
            self._cell += data

    def handle_endtag(self, tag):
        if tag == "td":
            self.rows[-1].append(self._cell)
            self._cell = None


def body(page):
    table = Table(page)
    return [(cells, attributes) for cells, attributes in zip(table.rows, table.attributes, strict=True) if cells]


def fetches(page):
    """What a page would load from elsewhere."""
    return re.findall(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//|@import|url\(|fetch\(|XMLHttpRequest""", page)


def test_the_problem_page_lists_every_video_with_its_reason():
    rows = [
        row("a/fine.mp4"),
        row(HOSTILE, "failed", reason="killed <b>"),
        row("a/short.mp4", "skipped", reason="too short: 3 frames", frames=3),
        row("a/damaged.mp4", damaged="2 packets could not be decoded", frames=1500),
        row("a/gone.mp4", "orphaned", reason="the video is gone"),
    ]
    page = html_pages.problem_page(rows)
    assert [cells for cells, _ in body(page)] == [
        ["failed", HOSTILE, "killed <b>", ""],
        ["skipped", "a/short.mp4", "too short: 3 frames", "3"],
        ["damaged", "a/damaged.mp4", "2 packets could not be decoded", "1,500"],
        ["orphaned", "a/gone.mp4", "the video is gone", ""],
    ]
    assert [attributes["data-kind"] for _, attributes in body(page)] == ["failed", "skipped", "damaged", "orphaned"]
    assert "<script>alert" not in page and not fetches(page)
    assert html_pages.problem_link(rows, "x.html").finding == "1 damaged, 1 failed, 1 orphaned, 1 skipped"
    assert not body(html_pages.problem_page([row("a/fine.mp4")]))


def test_the_problem_page_leaves_none_out():
    rows = [row(f"a/{n}.mp4", "failed", reason=f"reason {n}") for n in range(3000)]
    assert len(body(html_pages.problem_page(rows))) == 3000


def test_the_neighbour_page_marks_near_copies_and_stops_at_a_limit():
    pairs = [statistics.Neighbour(row(HOSTILE), row("train/x.mp4"), 0.99)]
    pairs += [statistics.Neighbour(row(f"test/{n}.mp4"), row("train/x.mp4"), 0.1) for n in range(html_pages.SHOWN + 50)]
    page = html_pages.neighbour_page(pairs, NearCopies(0.9, 1, "", "the finding"))
    found = body(page)
    assert found[0] == (["0.990", HOSTILE, "train/x.mp4"], {"data-kind": "", "class": "marked"})
    assert len(found) == html_pages.SHOWN and sum(attributes.get("class") == "marked" for _, attributes in found) == 1
    assert "51 more in neighbours.csv" in page and "the finding" in page
    page = html_pages.neighbour_page(pairs[:3], NearCopies(None, 0, "", "withheld because"))
    assert not any("class" in attributes for _, attributes in body(page)) and "withheld because" in page


def test_the_outlier_page_names_the_damage():
    page = html_pages.outlier_page([statistics.Outlier(row("t/a/x.mp4", damaged="3 packets"), 1.5, -9.0)])
    assert [cells for cells, _ in body(page)] == [["-9.0", "1.50", "t/a/x.mp4", "3 packets"]]
    assert "None: every video" in html_pages.outlier_page([])


def test_the_landing_page_and_its_head_escape_and_fetch_nothing():
    rows = [row(HOSTILE, weights="<b>w</b>"), row("t/a/f.mp4", "failed")]
    made = landing(rows, [], Path("a<b"), links=[Link("a b.html", "<i>", "<u>")])
    for page in (html_pages.landing_page(made), html_pages.home_fragment(made)):
        assert "1 of 2 videos has features" in page and "&lt;b&gt;w" in page
        assert not fetches(page) and not re.search(r"<[biu]>w|<i>|<u>|a<b", page)
    assert 'href="a%20b.html"' in html_pages.landing_page(made)
