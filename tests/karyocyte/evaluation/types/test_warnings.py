"""What a reader is warned of."""

from karyocyte.evaluation.types.warnings import leakage


def test_notes_on_another_data_set_are_passed_on_once():
    external = [{"notes": ["no image of class hem", "other magnification"]}, {"notes": ["other magnification"]}]
    assert [str(warning) for warning in leakage({"external": external})] == [
        "another set: no image of class hem",
        "another set: other magnification",
    ]
    assert leakage({}) == []
