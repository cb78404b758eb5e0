"""Run folders as a report reads them: what does not belong together, and what cannot be read."""

import pytest

from common.errors import UserError
from common.files import write_text
from evaluation.report.sources import Source, read_chapters
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


def test_a_broken_file_is_named(tmp_path):
    write_text(tmp_path / "data.json", "{")
    with pytest.raises(UserError, match=r"data\.json is no JSON"):
        Source(tmp_path, make_run()).facts("data.json")


def test_what_a_heat_map_speaks_for_is_read_where_it_was_written_down(tmp_path):
    source, table = Source(tmp_path, make_run()), "image_id,target,empty\n007,NA,False\nb,all,True\n"
    assert source.heat_words("gradcam-x") == {}
    write_text(tmp_path / "heatmaps" / "gradcam-x.csv", table)
    assert source.heat_words("gradcam-x") == {"007": "what speaks for “NA”", "b": "nothing speaks for “all”"}
    write_text(tmp_path / "heatmaps" / "eigencam-x.csv", table)
    assert set(source.heat_words("eigencam-x").values()) == {"whatever the class"}
    write_text(tmp_path / "heatmaps" / "gradcam-old.csv", "image_id,target\na,b\n")
    assert source.heat_words("gradcam-old") == {}
