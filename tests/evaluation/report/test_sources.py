"""The runs of a report: what does not belong together, and what heat maps speak for."""

import pytest

from common.errors import UserError
from common.files import write_text
from common.runs.run import Run
from evaluation.report.pictures import heat_words
from evaluation.report.sources import read_chapters
from tests.evaluation.report.reports import write_run
from tests.helpers.predictions import make_run


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([], "name at least one run"),
        ([{}, {"again": True}], "is named twice"),
        ([{}, {"classes": ("a", "b"), "about": {"name": "other"}}], "make a report of each task"),
        ([{}, {"seed": 5, "subjects": 7, "about": {"name": "other"}}], "make a report of each data set"),
    ],
)
def test_what_does_not_belong_on_one_page(tmp_path, runs, message):
    folders = []
    for place, one in enumerate(runs):
        again = one.pop("again", False)
        run = None if again else make_run(**one)
        folders.append(folders[0] if again else write_run(tmp_path / str(place), run, pictures=False))
    with pytest.raises(UserError, match=message):
        read_chapters(folders)


def test_what_a_heat_map_speaks_for_is_read_where_it_was_written_down(tmp_path):
    write_run(tmp_path, make_run(images=10, subjects=5), maps=("gradcam-x", "eigencam-x", "gradcam-old"))
    table = "image_id,target,empty\n007,NA,False\nb,all,True\n"
    write_text(tmp_path / "heatmaps" / "gradcam-x.csv", table)
    write_text(tmp_path / "heatmaps" / "eigencam-x.csv", table)
    write_text(tmp_path / "heatmaps" / "gradcam-old.csv", "image_id,target\na,b\n")
    run = Run(tmp_path)
    assert heat_words(run, "gradcam-x") == {"007": "what speaks for “NA”", "b": "nothing speaks for “all”"}
    assert set(heat_words(run, "eigencam-x").values()) == {"whatever the class"}
    assert heat_words(run, "gradcam-old") == {}
