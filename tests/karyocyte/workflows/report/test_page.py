"""The page: what it shows, that names from outside are inert on it, and that it is always the same."""

import json
import re
from html import unescape
from html.parser import HTMLParser

import pytest

from karyocyte.common.files import write_json, write_text
from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.run.evaluate import evaluate_runs
from karyocyte.workflows.report import sources
from karyocyte.workflows.report.page import write_report
from tests.helpers.predictions import make_predictions, make_run, with_passes
from tests.karyocyte.workflows.report.reports import (
    CONFIG,
    LEAKS,
    NO_LEAKS,
    RESAMPLES,
    table_rows,
    write_facts,
    write_run,
)

SETTINGS = EvaluationConfig(resamples=RESAMPLES)
EVIL = '</script><img src=x onerror="alert(1)">'


def written(folders, path, **options):
    write_report(folders, path, **options)
    return path.read_text(encoding="utf-8")


def prose(html):
    """The text that a reader sees, without tags and scripts."""
    bare = re.sub(r"<(script|style)[^>]*>.*?</\1>", "", html, flags=re.S)
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", bare)))


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    """Draw nothing but in the fixtures of the module: drawings take most of the time."""
    monkeypatch.setattr(sources, "draw_figures", lambda folder, evaluation: [])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run with all that a run leaves."""
    folder = tmp_path_factory.mktemp("run")
    run = with_passes(make_run(images=60, subjects=20, about={"leaks": NO_LEAKS}))
    write_facts(write_run(folder, run, maps=("gradcam-layer4",)))
    (folder / "learning_curves.png").write_bytes(b"drawn")
    return folder


@pytest.fixture(scope="module")
def page(folder):
    """Its page."""
    return written([folder], folder / "report.html")


class Outline(HTMLParser):
    """The tags of a page and their attributes."""

    def __init__(self, html):
        super().__init__()
        self.tags = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def values(self, *names):
        """The values of attributes, in their order on the page."""
        return [attributes[name] for _, attributes in self.tags for name in names if name in attributes]


def test_a_page_needs_no_other_file(page):
    addresses = Outline(page).values("src", "href")
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert not re.findall(r"url\(|@import|https?://", re.sub(r'"data:[^"]*"', "", page))
    assert "default-src 'none'" in page


def test_a_page_is_accessible(page):
    outline = Outline(page)
    levels = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch("h[1-6]", tag)]
    assert (levels[0], levels.count(1)) == (1, 1)
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))
    assert all(attributes["alt"] for tag, attributes in outline.tags if tag == "img")
    assert all(attributes["scope"] in ("col", "row") for tag, attributes in outline.tags if tag == "th")
    assert page.count("<table>") == page.count("<caption>") > 0
    assert len(outline.values("id")) == len(set(outline.values("id")))
    assert '<html lang="en">' in page


def test_a_page_says_what_was_tested_and_how(page):
    text = prose(page)
    facts = ("tiny", "protocol subject", "of 20 subjects", "abc123", "torch 2.11", "memorises its images")
    leaks = ("No leak found", "near-duplicates across the split were not looked for")
    titles = ("Referral", "Calibration", "Reliability", "Risk and coverage")
    assert [part for part in (*facts, *leaks, *titles) if part not in text] == []
    rows = table_rows(page, "Images of each part")
    assert rows[0] == ["part", "images", "subjects", "hem", "all"]
    # Of the two training images one has no subject.
    assert rows[1:] == [["train", "2", "1", "1", "1"], ["test", "1", "1", "0", "1"]]
    auc = evaluate_runs([with_passes(make_run(images=60, subjects=20))], SETTINGS).metrics["auc"]
    (row,) = [row for row in table_rows(page, "Test metrics") if row[0].startswith("AUC")]
    assert row[1] == f"{auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f})"
    assert f"The AUC is {row[1]}, " in text


def test_a_page_begins_with_sentence_limits_picture_and_examples_and_ends_with_folded_metrics(page):
    order = ["The AUC is", 'class="notice', 'alt="ROC curve"', ">Surest right<", ">Surest wrong<", ">Most doubtful<"]
    order += ['alt="Learning curves"', 'alt="Confusion matrix"', 'id="cards"', '<details class="chapter"']
    places = list(map(page.index, (*order, "Test metrics", "Images of each part", "torch 2.11", 'id="terms"')))
    assert places == sorted(places)
    assert len(re.findall(r'href="#image=S\d+-\d+"', page)) == 9


@pytest.mark.parametrize(("images", "skill"), [(200, 5.0), (60, 0.0)])
def test_a_page_begins_with_what_is_not_decided_of_new_images(tmp_path, images, skill):
    page = written([write_run(tmp_path, make_run(images=images, skill=skill))], tmp_path / "page.html")
    first = prose(page.partition("<nav")[0])
    said = [text in first for text in ("All new images are referred", "New images of none of the classes", "99", "60")]
    assert said == [images == 60] * 4


def test_of_many_classes_the_confusions_decide(tmp_path, monkeypatch):
    monkeypatch.undo()
    page = written([write_run(tmp_path, make_run(images=30, classes=tuple("abc")))], tmp_path / "page.html")
    assert page.index('alt="Confusion matrix"') < page.index(">Surest right<") < page.index('alt="ROC curve"')


def test_a_written_result_is_not_computed_again(tmp_path):
    run = make_run(images=30, subjects=10)
    content = evaluate_runs([run], SETTINGS).to_dict()
    next(row for row in content["figures"] if row["name"] == "auc")["low"] = 0.123
    write_json(write_run(tmp_path, run) / "metrics.json", content)
    assert "(0.123 to " in prose(written([tmp_path], tmp_path / "page.html"))


def test_the_same_run_gives_the_same_bytes(folder, page, monkeypatch):
    monkeypatch.undo()
    assert written([folder], folder / "again.html") == page


def test_names_are_in_the_key_alone(tmp_path):
    write_facts(write_run(tmp_path, make_run(images=30, subjects=10)))
    write_report([tmp_path], tmp_path / "page.html", key=tmp_path / "key.csv")
    hidden = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert not re.search("subject_0|image_0|sample_x|sample_y|ward7", hidden)
    assert "S001" in hidden
    assert "2 broken images skipped" in hidden
    lines = (tmp_path / "key.csv").read_text().splitlines()
    assert (lines[0], len(lines)) == ("shown,image_id,path", 31)
    assert all(re.fullmatch(r"S\d+-\d+,(.+),\1\.bmp", line) for line in lines[1:])


def test_names_from_outside_are_inert(tmp_path):
    run = make_run(images=30, subjects=10, classes=("hem", EVIL), about={"name": f"x{EVIL}", "weights": EVIL})
    run.frame["kind"] = EVIL
    run.frame["subject"] += EVIL
    write_facts(write_run(tmp_path, run))
    write_text(tmp_path / "config.yaml", f"name: '{EVIL}'\n{CONFIG}")
    page = written([tmp_path], tmp_path / "page.html")
    # Every occurrence is text: the tags of the page are its own.
    assert EVIL not in page
    assert "onerror" in page
    assert Outline(page).values("onerror") == []
    data = re.search(r'<script type="application/json" id="gallery-data">(.*?)</script>', page, re.S)[1]
    assert "<" not in data
    assert json.loads(data)["classes"] == ["hem", EVIL]


@pytest.mark.parametrize(
    ("run", "shown", "absent"),
    [
        (make_run(), ["have no picture", "The training part is not recorded"], "Learning curves"),
        (
            make_predictions(part="validation"),
            ["There are no test images", "nothing can be said of how good the model is"],
            "Confusion matrix",
        ),
    ],
)
def test_predictions_alone_are_enough(tmp_path, run, shown, absent):
    text = prose(written([write_run(tmp_path, run, pictures=False)], tmp_path / "page.html"))
    assert all(part in text for part in shown)
    assert absent not in text


def test_folds_have_their_means_and_curves_each_and_many_classes_a_table(tmp_path):
    runs = [make_run(fold, images=30, subjects=10, classes=tuple("abcd")) for fold in range(3)]
    folders = [write_run(tmp_path / str(fold), run) for fold, run in enumerate(runs)]
    for folder in folders:
        write_facts(folder)
        (folder / "learning_curves.png").write_bytes(b"drawn")
    page = written(folders, tmp_path / "page.html")
    assert table_rows(page, "Test metrics")[0][1:] == ["value", "fold mean"]
    assert [row[0] for row in table_rows(page, "Class by class")[1:]] == list("abcd")
    assert {row[0] for row in table_rows(page, "Images of each part")} >= {"train, fold 0", "test, fold 2"}
    assert all(f"Learning curves, fold {fold}" in page for fold in range(3))


def test_experiments_are_beside_each_other(tmp_path):
    folders = []
    for skill, name, leaks in ((3, "good", NO_LEAKS), (3, "middling", NO_LEAKS), (0, "poor", LEAKS)):
        run = make_run(images=60, subjects=20, skill=skill, about={"name": name, "leaks": leaks})
        folders.append(write_run(tmp_path / name, run))
    page = written(folders, tmp_path / "page.html")
    overview = table_rows(page, "Test metrics of 3 experiments")
    assert [row[0] for row in overview[1:]] == ["good", "middling", "poor"]
    ids = Outline(page).values("id")
    assert {"experiment-1", "experiment-2", "experiment-3"} <= set(ids)
    assert len(ids) == len(set(ids))
    assert all(f'<a href="#model={place}' in page for place in range(3))  # also of those that predict alike
    text = prose(page)
    assert "Leaks were found: these figures flatter the model (poor)" in text
    assert "No leak found, but near-duplicates were not looked for (good, middling)" in text
