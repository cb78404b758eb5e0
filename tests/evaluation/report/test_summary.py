"""What stands first on a page: what must not be overlooked."""

import pytest

from common.config.schema import EvaluationConfig
from evaluation.evaluate import evaluate_runs
from evaluation.intervals.grouping import Group
from evaluation.report.sources import Chapter
from evaluation.report.summary import about_rows, notices
from tests.evaluation.report.reports import LEAKS, NO_LEAKS
from tests.helpers.predictions import make_run


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"leaks": LEAKS}, "Leaks were found: these figures flatter the model"),
        ({"leaks": LEAKS}, "subjects in more than one part: 3"),
        ({"protocol": "paper", "leaks": LEAKS}, "protocol = paper: leaks on purpose"),
        ({"protocol": "paper", "leaks": NO_LEAKS}, "protocol = paper: leaks on purpose"),
        ({}, "Whether the test images leak into the training is not recorded"),
        ({"leaks": {**NO_LEAKS, "near_pairs": 2}}, "Near-same images on both sides of the split"),
        ({"synthetic": True, "leaks": NO_LEAKS}, "SYNTHETIC"),
        ({"protocol": "image", "leaks": NO_LEAKS}, "one person's images may be on both sides"),
    ],
)
def test_what_must_not_be_overlooked(about, said):
    run = make_run(images=12, subjects=4, about=about)
    settings = EvaluationConfig(resamples=20)
    chapter = Chapter(Group("run", (run,), ("run",)), (), settings, evaluate_runs([run], settings))
    lines = list(about_rows(chapter).values())
    for notice in notices([chapter], real_names=False):
        lines += [notice.title, *notice.lines]
    assert any(said in line for line in lines)
