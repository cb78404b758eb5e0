"""The drawings of a page: SVG within it, the same at every making."""

import base64
import xml.etree.ElementTree as ET

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.run.evaluate import evaluate_runs
from karyocyte.workflows.report import plots as figures
from karyocyte.workflows.report.sources import read_chapters
from tests.helpers.predictions import make_run
from tests.karyocyte.workflows.report.reports import write_facts, write_run

SETTINGS = EvaluationConfig(resamples=20)


def test_a_drawing_is_an_svg_and_the_same_twice():
    result = evaluate_runs([make_run()], SETTINGS)
    first, second = (figures.confusion_figures(result)[0].source for _ in range(2))
    assert first == second
    kind, data = first.split(",", 1)
    assert kind == "data:image/svg+xml;base64"
    root = ET.fromstring(base64.b64decode(data))
    assert root.tag.endswith("svg")
    # A viewer's font must not be needed, nor the day of the making told.
    assert not list(root.iter("{http://www.w3.org/2000/svg}text"))
    assert not list(root.iter("{http://purl.org/dc/elements/1.1/}date"))


def test_learning_curves_are_drawn_where_the_run_has_some(tmp_path):
    write_run(tmp_path, make_run(), pictures=False)
    assert figures.curve_figures(read_chapters([tmp_path])[0]) == []
    write_facts(tmp_path)
    (drawing,) = figures.curve_figures(read_chapters([tmp_path])[0])
    assert "2 epochs" in drawing.alt


def test_there_is_no_roc_curve_of_one_class(tmp_path):
    run = make_run(images=20, subjects=20)
    run.frame["label"] = "all"
    write_run(tmp_path, run, pictures=False)
    assert figures.roc_figures(read_chapters([tmp_path])[0]) == []
