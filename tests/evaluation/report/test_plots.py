"""The drawings of a page: SVG within it, the same at every making, and told in words."""

import base64
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import pandas as pd
import pytest
from matplotlib.figure import Figure as Canvas

from common.config.schema import EvaluationConfig
from evaluation.evaluate import evaluate_runs
from evaluation.report import plots as figures
from evaluation.report.sources import read_chapters
from tests.evaluation.report.reports import write_facts, write_run
from tests.helpers.predictions import make_run

SETTINGS = EvaluationConfig(resamples=20)


def root_of(source):
    kind, data = source.split(",", 1)
    assert kind == "data:image/svg+xml;base64"
    return ET.fromstring(base64.b64decode(data))


def test_a_drawing_is_an_svg_and_the_same_twice():
    result = evaluate_runs([make_run()], SETTINGS)
    first, second = (figures.confusion_figures(result)[0].source for _ in range(2))
    assert first == second
    root = root_of(first)
    assert root.tag.endswith("svg")
    # A viewer's font must not be needed, nor the day of the making told.
    assert not list(root.iter("{http://www.w3.org/2000/svg}text"))
    assert not list(root.iter("{http://purl.org/dc/elements/1.1/}date"))


def test_a_confusion_matrix_is_read_out():
    result = evaluate_runs([make_run()], SETTINGS)
    half, chosen = figures.confusion_figures(result)
    (a, b), (c, d) = result.test.confusion
    assert half.alt == f"of {a + b} hem, {a} are predicted hem and {b} are predicted all; " + (
        f"of {c + d} all, {c} are predicted hem and {d} are predicted all"
    )
    assert "chosen on validation" in chosen.caption
    assert not half.wide


def test_names_of_classes_are_no_formulas():
    result = evaluate_runs([make_run(images=20, classes=("a$b", "c$\\foo$"))], SETTINGS)
    assert "are predicted c$\\foo$" in figures.confusion_figures(result)[0].alt


def test_names_of_many_lines_do_not_meet(monkeypatch):
    drawn = []
    monkeypatch.setattr(figures, "as_picture", lambda draw, size: drawn.append((draw, size)) or "data:,")
    names = ["short", " ".join(["a_very_long_name_of_a_network"] * 5), "other"]
    test = SimpleNamespace(metrics={"auc": SimpleNamespace(value=0.5, low=None, high=None)})
    found = [SimpleNamespace(label=name, result=SimpleNamespace(test=test)) for name in names]
    figures.forest_figure(found, "auc")
    ((draw, size),) = drawn
    canvas = Canvas(figsize=size, layout="constrained")
    draw(canvas)
    canvas.draw_without_rendering()
    boxes = sorted((label.get_window_extent() for label in canvas.axes[0].get_yticklabels()), key=lambda box: box.y0)
    assert all(below.y1 < above.y0 for below, above in zip(boxes, boxes[1:], strict=False))


def test_of_many_classes_the_worst_mix_ups_are_read_out():
    result = evaluate_runs([make_run(images=90, classes=tuple("abcdefghij"))], SETTINGS)
    (drawing,) = figures.confusion_figures(result)
    pairs = [
        (count, row, column)
        for row, line in enumerate(result.test.confusion)
        for column, count in enumerate(line)
        if row != column
    ]
    count, row, column = max(pairs, key=lambda pair: pair[0])
    assert f"{'abcdefghij'[row]} for {'abcdefghij'[column]} ({count})" in drawing.alt
    assert drawing.wide


def test_curves_of_the_run_are_drawn_where_it_left_some(tmp_path):
    write_run(tmp_path, make_run(), pictures=False)
    assert figures.curve_figures(read_chapters([tmp_path])[0]) == []
    write_facts(tmp_path)
    (drawing,) = figures.curve_figures(read_chapters([tmp_path])[0])
    assert "2 epochs" in drawing.alt


def test_no_curve_without_both_classes(tmp_path):
    run = make_run(images=20, subjects=20)
    run.frame["label"] = "all"
    write_run(tmp_path, run, pictures=False)
    assert figures.rank_figures(read_chapters([tmp_path])[0]) == []


@pytest.mark.parametrize("independent", [True, False])
def test_what_all_models_miss_is_read_out(independent):
    counts = pd.DataFrame({"k": [0, 1, 2], "images": [6, 3, 1], "share": [0.6, 0.3, 0.1]})
    drawing = figures.misses_figure(counts.assign(independent=[5.0, 4.0, 1.0]) if independent else counts)
    assert drawing.alt == "1 images (10.0 %) are missed by all 2 models"
