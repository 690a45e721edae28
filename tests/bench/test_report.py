"""The report: one file, nothing from outside, the same bytes each time, honest about what is missing."""

from __future__ import annotations

import re
import shutil
import sys
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest

from speechq.bench import plots
from speechq.bench.report import write_report, write_summary_svg
from speechq.bench.results import Comparison, write_comparison, write_result
from speechq.errors import ConfigError, DataError

VOID = {"meta", "br", "img", "hr", "link", "input"}


class Page(HTMLParser):
    """Collects tags, attributes and text, and checks that every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.stack:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def folder(work_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("report") / "work"
    shutil.copytree(work_dir, copy)
    return copy


@pytest.fixture(scope="module")
def source(folder: Path) -> str:
    path = write_report(folder)
    assert path == folder / "report.html"
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(source: str) -> Page:
    return Page(source)


def test_nothing_comes_from_outside(source: str, page: Page) -> None:
    names = [tag for tag, _ in page.tags]
    assert not {"script", "link", "iframe", "object"} & set(names)
    for _, attributes in page.tags:
        for key in ("src", "href", "xlink:href"):
            value = attributes.get(key)
            assert value is None or value.startswith(("#", "data:image/png;base64,")), value
    assert "http" not in source and "@import" not in source
    assert not re.search(r"url\((?!#)", source)


def test_ids_are_unique_and_references_lead_to_them(source: str, page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids)) > 50
    used = set(re.findall(r"url\(#([^)]+)\)", source)) | set(re.findall(r'href="#([^"]+)"', source))
    assert used and used <= set(ids)


def test_same_input_same_bytes(folder: Path, source: str, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    shutil.copytree(folder, other)
    assert write_report(other).read_text(encoding="utf-8") == source


def test_everything_is_there(page: Page) -> None:
    text = page.text
    assert "At 4 bits the retrained network is 8.0 times smaller than float" in text
    for number in range(1, 6):
        assert f"Figure {number}." in text
    for number in range(1, 4):
        assert f"Table {number}." in text
    assert [tag for tag, _ in page.tags].count("svg") == 4 * 2 + 1
    assert "commit 0123456789ab with local changes" in text and "1 h 6 min" in text
    assert "model.cell" in text and "sru" in text
    assert "Make this part with" not in text


def test_texts_are_escaped(source: str, page: Page) -> None:
    assert "<script" not in source
    assert "<script>alert(1)</script>" in page.text
    assert "mixed <tiny>" in page.text and "a < b & c" in page.text


def test_colours_follow_the_page(source: str) -> None:
    body = source[source.index("<body>") :]
    assert "var(--blue)" in body and "prefers-color-scheme: dark" in source
    for light, _ in plots.COLOURS.values():
        assert light not in body


def contrast(first: str, second: str) -> float:
    """WCAG 2 contrast ratio of two hexadecimal colours."""

    def luminance(text: str) -> float:
        parts = [int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("mode", [0, 1])
def test_contrast_of_text_and_lines(mode: int) -> None:
    surface = plots.COLOURS["surface"][mode]
    for role, pair in plots.COLOURS.items():
        if role not in ("surface", "grid"):
            assert contrast(pair[mode], surface) > (4.5 if role in ("ink", "muted") else 3.0), role


def test_an_empty_work_folder_says_what_is_missing(tmp_path: Path) -> None:
    page = Page(write_report(tmp_path).read_text(encoding="utf-8"))
    assert page.text.count("Make this part with") == 5
    assert "speechq study sensitivity WORK_DIR" in page.text
    with pytest.raises(DataError, match="no quantized network"):
        write_summary_svg(tmp_path, tmp_path / "x.svg")
    with pytest.raises(DataError, match="no such work folder"):
        write_report(tmp_path / "nowhere")


def test_the_largest_difference_to_training_is_told(tmp_path: Path, make_result) -> None:
    for name, scheme, method in (("float-s1", "float", "float"), ("w4a8-sgd-s1", "w4a8", "sgd")):
        write_result(tmp_path, make_result(name, scheme, method, 1, 0.1, 900))
    told = "On the dev set the two differ by at most"
    assert told not in Page(write_report(tmp_path).read_text(encoding="utf-8")).text
    write_comparison(tmp_path, Comparison("float-s1", 0.1, 0.1004, 40))
    write_comparison(tmp_path, Comparison("w4a8-sgd-s1", 0.1123, 0.1112, 40))
    write_comparison(tmp_path, Comparison("w2a8-sgd-s1", 0.1, 0.5, 40))  # left of an earlier recipe
    text = Page(write_report(tmp_path).read_text(encoding="utf-8")).text
    assert f"{told} 0.11 points of WER (w4a8-sgd-s1: 11.12 % packed, 11.23 % in training)." in text


def test_only_a_float_network(tmp_path: Path, make_result) -> None:
    write_result(tmp_path, make_result("float-s1", "float", "float", 1, 0.1, 900))
    text = Page(write_report(tmp_path).read_text(encoding="utf-8")).text
    assert "The network float-s1 has a WER of" in text and "Figure 1." not in text


def test_perfect_and_hopeless_networks(tmp_path: Path, make_result) -> None:
    """Rates of zero and one, one scheme only, and exceptions in the scheme: the axes cope."""
    write_result(tmp_path, make_result("float-s1", "float", "float", 1, 0.0, 900))
    scheme = "w2a8,first=w8,out=w8"
    write_result(tmp_path, make_result("mixed-direct-s1", scheme, "direct", 1, 1.0, 100))
    assert (
        "At 2 bits the directly rounded network"
        in Page(write_report(tmp_path).read_text(encoding="utf-8")).text
    )


def test_summary_picture(folder: Path, tmp_path: Path) -> None:
    path = write_summary_svg(folder, tmp_path / "summary.svg")
    first = path.read_bytes()
    root = ElementTree.fromstring(first)
    assert root.tag.endswith("svg") and root.get("viewBox")
    assert b"#ffffff" in first and b"var(--" not in first and b"<text" not in first
    assert b"date" not in first
    assert write_summary_svg(folder, tmp_path / "again.svg").read_bytes() == first


def test_without_matplotlib(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError, match=r"pip install 'speechq\[train\]'"):
        write_report(folder)
