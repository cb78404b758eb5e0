"""The classes of another data set in the words of a run."""

from karyocyte.workflows.evaluation.external_images import map_classes, parse_map


def test_pairs_are_read():
    assert parse_map(["blast_1=all", "platelet="]) == {"blast_1": "all", "platelet": None}


def test_several_classes_may_become_one_one_may_be_left_out_and_others_keep_their_names():
    mapping = {"lymphocyte": "hem", "monocyte": "hem", "platelet": None}
    mapped = map_classes(["lymphocyte", "monocyte", "platelet", "all"], ["hem", "all"], mapping)
    assert mapped == {**mapping, "all": "all"}
