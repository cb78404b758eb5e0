import numpy as np
import pandas as pd
import pytest

from common.config.schema import CanvasConfig, PrepareConfig
from common.errors import UserError
from common.files import write_text
from datamodules.inference.external_datamodule import (
    OtherSet,
    joined_split,
    known_images,
    near_same,
    parts_of,
    scan_other,
)
from datamodules.preprocessing.cache import prepared_images
from tests.helpers.chromosomes import write_chromosomes
from tests.helpers.images import cell_image, write_class_folders, write_image
from tests.helpers.training import small_config


def write_split(run, rows, init_from=None):
    """Write what a run leaves of its split: rows of (image, part[, subject]) whose hash is the image's name."""
    run.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame([(name, name, "all", *subject, name * 2, part) for name, part, *subject in rows])
    frame.columns = ["image_id", "path", "label", "subject", "sha256", "part"][: len(frame.columns)]
    frame.to_csv(run / "split.csv", index=False)
    write_text(run / "config.yaml", f"init_from: {init_from or 'null'}\n")
    return run


def rows(*names, part="train", subject=""):
    return [(name, part, subject) for name in names]


def folder_config(tmp_path, root, *overrides):
    return small_config(tmp_path, *overrides, data=["data=folder", f"data_dir={root}"])


def test_the_positive_class_of_the_other_set_need_not_be_said(tmp_path):
    root = write_class_folders(tmp_path / "cells", {"blast": 4, "healthy": 4})
    manifest, config = scan_other(folder_config(tmp_path, root), ["all", "blast"], False)
    assert (manifest.positive_class, manifest.classes) == ("blast", ("healthy", "blast"))
    assert config.data.positive_class == "blast"
    said = folder_config(tmp_path, root, "data.positive_class=healthy")
    assert scan_other(said, ["blast"], False)[0].positive_class == "healthy"
    with pytest.raises(UserError, match="positive_class=blst is no class"):
        scan_other(folder_config(tmp_path, root, "data.positive_class=blst"), ["blast"], False)


def test_what_a_run_and_those_before_it_learned_from_is_known(tmp_path):
    first = write_split(tmp_path / "first", [*rows("a", "b"), *rows("t", part="test")])
    second = write_split(tmp_path / "second", [*rows("c"), *rows("v", part="validation")], init_from=first)
    third = write_split(tmp_path / "third", [*rows("d", "t", part="test"), *rows("a", part="validation")])
    known = known_images(third, str(second))
    found = known.part_of(pd.Series([name * 2 for name in "abcdtvx"], range(3, 10)))
    assert found.tolist() == ["train", "train", "train", "test", "test", "validation", None]
    assert found.index.tolist() == list(range(3, 10))
    assert known.lost == ()


def test_a_start_that_is_gone_is_told(tmp_path):
    run = write_split(tmp_path / "run", rows("a"))
    assert known_images(run, str(tmp_path / "gone")).lost == (str(tmp_path / "gone"),)
    with pytest.raises(UserError, match="has no split.csv"):
        known_images(tmp_path, None)


def test_subjects_that_are_called_alike_are_found(tmp_path):
    parts = [*rows("a", subject="7"), *rows("b", part="validation", subject="8"), *rows("c", part="test", subject="9")]
    known = known_images(write_split(tmp_path / "run", [*parts, *rows("d")]), None)
    assert known.namesakes(pd.Series(["7", "8", "9", "10", None])) == ["7", "8"]


def test_only_what_has_a_label_and_is_new_is_judged():
    seen = pd.Series(["train", "validation", "test", None, None], [0, 1, 2, 3, 4])
    labels = ["all", "hem", "all", "hem", None]
    assert parts_of(labels, seen).tolist() == ["unused", "unused", "test", "test", "unused"]
    assert parts_of(labels, seen, unlabelled=True).tolist()[3:] == ["test", "test"]


def test_near_same_pictures_are_counted_against_what_the_run_learned_from(tmp_path):
    root = write_class_folders(tmp_path / "own", {"all": 6, "hem": 6}, size=64)
    config = folder_config(tmp_path, root, "data.positive_class=all", "split.near_duplicates=report")
    scanned, _ = scan_other(config, [], False)
    split = scanned.frame.assign(part=["train"] * 8 + ["test"] * 4)
    (tmp_path / "run").mkdir()
    split[["image_id", "path", "label", "subject", "sha256", "part"]].to_csv(tmp_path / "run" / "split.csv")
    known = known_images(tmp_path / "run", None)
    other = tmp_path / "other"
    for name, seed in (("near", 0), ("tested", 1005), ("new", 77)):
        image = cell_image(seed, size=64)
        image[30:33, 30:33] ^= 8
        write_image(other / "blast" / f"{name}.png", image)
    write_image(other / "healthy" / "h.png", cell_image(78, size=64))
    theirs, _ = scan_other(folder_config(tmp_path, other), ["blast"], False)
    report, why = near_same(known, theirs.frame, config, False)
    assert why is None
    assert (report.near_count, report.counts()["identical_pairs"]) == (1, 0)
    assert report.as_dict()["near"][0][:2] == ["all/s0_0.png", "blast/near.png"]
    off = small_config(tmp_path, data=["data=folder", f"data_dir={root}", "data.positive_class=all"])
    assert near_same(known, theirs.frame, off, False)[1] == "the run has split.near_duplicates=off"
    gone = config.model_copy(update={"data_dir": str(tmp_path / "gone")})
    assert "cannot be read" in near_same(known, theirs.frame, gone, False)[1]
    swapped = config.model_copy(update={"data_dir": str(other), "data": theirs_data(config)})
    assert "holds other images now" in near_same(known, theirs.frame, swapped, False)[1]


def theirs_data(config):
    return config.data.model_copy(update={"positive_class": "blast"})


def test_what_is_left_out_still_counts_for_the_scale_of_its_cell(tmp_path):
    root = write_chromosomes(tmp_path / "set", cases=2)
    prepare = PrepareConfig(
        size=(64, 32), fit="canvas", background="detect", canvas=CanvasConfig(scale_by="cell", oversize="shrink")
    )
    plain = small_config(tmp_path, data=["data=chromosomes", f"data_dir={root}", "head.logits=null"])
    config = plain.model_copy(update={"prepare": prepare})
    scanned, config = scan_other(config, [], False)
    labels = [name if name in ("1", "2") else None for name in scanned.frame["label"]]
    parts = parts_of(labels, pd.Series(None, scanned.frame.index, dtype=object))
    data = OtherSet(config, scanned, labels, parts, scanned.classes, None, False)
    data.prepare_data()
    assert len(data.rows("test")) == 8
    assert np.array_equal(data.images, prepared_images(scanned, prepare, tmp_path / "cache", False))
    served = list(data.predict_dataloader())
    assert np.concatenate([index for _, _, index in served]).tolist() == data.rows("test").tolist()
    assert {int(label) for _, labels, _ in served for label in labels} == {0, 1}
    split = joined_split(data, known_images(write_split(tmp_path / "run", [*rows("a"), *rows("t", part="test")]), None))
    assert split["part"].value_counts().to_dict() == {"unused": len(labels) - 8, "test": 8, "train": 1}
