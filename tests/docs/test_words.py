"""Pages are short enough to be read, and the drawings of explanations can be read on a telephone."""

import re

import pytest

from karyocyte.common.paths import ROOT

ROOM = 1.03
GENERATED = ("docs/reference/commands.md", "docs/reference/configuration.md")
MOST = {"docs/results/*.md": 1_200, "docs/papers/*.md": 900, "results/README.md": 1_200}  # words of a page
DRAWINGS = sorted((ROOT / "docs" / "explanation").glob("*.svg"))
WIDTH = 400  # pixels


def words(page: str) -> int:
    return len((ROOT / page).read_text(encoding="utf-8").split())


@pytest.mark.parametrize("pattern", MOST)
def test_a_page_has_few_words(pattern):
    pages = [path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern)]
    assert pages
    assert not {page: words(page) for page in pages if words(page) > ROOM * MOST[pattern]}


def test_the_handbook_without_its_generated_pages_has_few_words():
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert sum(map(words, pages.difference(GENERATED))) <= ROOM * 34_000


@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda path: path.stem)
def test_a_drawing_says_its_finding_and_is_legible(drawing):
    text = drawing.read_text(encoding="utf-8")
    titles = re.findall(r'class="title"[^>]*>([^<]*)<', text)
    assert f"<title>{' '.join(titles)}</title>" in text
    assert "<desc>" in text
    assert f'viewBox="0 0 {WIDTH} ' in text
    assert min(map(float, re.findall(r"([\d.]+)px", text))) >= 12
    page = drawing.with_suffix(".md").read_text(encoding="utf-8")
    assert re.search(rf"!\[[^\]]{{40,}}\]\({drawing.name}\)", page)
