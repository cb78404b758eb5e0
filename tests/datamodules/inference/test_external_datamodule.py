import numpy as np
import pandas as pd
import pytest

from datamodules.inference.external_datamodule import (
    ExternalDataModule,
    assign_parts,
    find_near_duplicates,
    read_seen_images,
    scan_external,
)
from datamodules.preprocessing.cache import prepared_images
from karyocyte.common.errors import UserError
from karyocyte.common.files import write_text
from karyocyte.config.data import CanvasConfig, PrepareConfig
from karyocyte.runs.run import Run
from tests.helpers.chromosomes import write_chromosomes
from tests.helpers.images import cell_image, write_class_folders, write_image
from tests.helpers.training import small_config


def write_split(folder, rows, init_from=None):
    """Write the split of a run: rows of (image, part[, subject]) whose hash is the image's name twice."""
    folder.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(rows, columns=["image_id", "part", "subject"][: len(rows[0])])
    frame = frame.assign(path=frame["image_id"], label="all", sha256=frame["image_id"] * 2)
    if "subject" not in frame:
        frame["subject"] = None
    frame.to_csv(folder / "split.csv", index=False)
    write_text(folder / "config.yaml", f"init_from: {init_from or 'null'}\n")
    return Run(folder)


def folder_config(tmp_path, root, *overrides):
    return small_config(tmp_path, *overrides, data=["data=folder", f"data_dir={root}"])


def test_positive_class_of_the_external_set_is_optional(tmp_path):
    root = write_class_folders(tmp_path / "cells", {"blast": 4, "healthy": 4})
    manifest, config = scan_external(folder_config(tmp_path, root), ["all", "blast"], False)
    assert (manifest.positive_class, manifest.classes) == ("blast", ("healthy", "blast"))
    assert config.data.positive_class == "blast"
    explicit = folder_config(tmp_path, root, "data.positive_class=healthy")
    assert scan_external(explicit, ["blast"], False)[0].positive_class == "healthy"
    with pytest.raises(UserError, match="positive_class=blst"):
        scan_external(folder_config(tmp_path, root, "data.positive_class=blst"), ["blast"], False)


def test_seen_images_include_those_of_earlier_runs(tmp_path):
    write_split(tmp_path / "first", [("a", "train"), ("b", "train"), ("t", "test")])
    write_split(tmp_path / "second", [("c", "train"), ("v", "validation")], init_from=tmp_path / "first")
    third = write_split(tmp_path / "third", [("d", "test"), ("t", "test"), ("a", "validation")])
    seen = read_seen_images(third, str(tmp_path / "second"))
    parts = seen.part_of(pd.Series([name * 2 for name in "abcdtvx"], range(3, 10)))
    assert parts.tolist() == ["train", "train", "train", "test", "test", "validation", None]
    assert parts.index.tolist() == list(range(3, 10))
    assert seen.lost == ()


def test_missing_earlier_run_is_noted_and_namesakes_are_those_of_learned_subjects(tmp_path):
    rows = [("a", "train", "7"), ("b", "validation", "8"), ("c", "test", "9"), ("d", "train", None)]
    seen = read_seen_images(write_split(tmp_path / "run", rows), str(tmp_path / "gone"))
    assert seen.lost == (str(tmp_path / "gone"),)
    assert seen.namesakes(pd.Series(["7", "8", "9", "10", None])) == ["7", "8"]
    persons = [{"subjects": ["7", "9"], "files": 1}, {"subjects": ["6", "10"], "files": 1}]
    assert seen.namesakes(pd.Series(["7", "8", "9", "10", None]), persons) == ["7", "8", "9"]
    with pytest.raises(UserError, match=r"split\.csv"):
        read_seen_images(Run(tmp_path), None)


def test_only_new_and_labelled_images_are_tested():
    seen = pd.Series(["train", "validation", "test", None, None])
    labels = pd.Series(["all", "hem", "all", "hem", None], dtype=object)
    assert assign_parts(labels, seen).tolist() == ["unused", "unused", "test", "test", "unused"]


def test_near_duplicates_of_learned_images_are_counted(tmp_path):
    root = write_class_folders(tmp_path / "own", {"all": 6, "hem": 6}, size=64)
    config = folder_config(tmp_path, root, "data.positive_class=all", "split.near_duplicates=report")
    scanned, _ = scan_external(config, [], False)
    split = scanned.frame.assign(part=["train"] * 8 + ["test"] * 4)
    (tmp_path / "run").mkdir()
    split[["image_id", "path", "label", "subject", "sha256", "part"]].to_csv(tmp_path / "run" / "split.csv")
    seen = read_seen_images(Run(tmp_path / "run"), None)
    other = tmp_path / "other"
    for name, seed in (("near", 0), ("tested", 1005), ("new", 77)):
        image = cell_image(seed, size=64)
        image[30:33, 30:33] ^= 8
        write_image(other / "blast" / f"{name}.png", image)
    write_image(other / "healthy" / "h.png", cell_image(78, size=64))
    external, external_config = scan_external(folder_config(tmp_path, other), ["blast"], False)
    report, reason = find_near_duplicates(seen, external.frame, config, False)
    assert reason is None
    assert (report.near_count, report.counts()["identical_pairs"]) == (1, 0)
    assert report.as_dict()["near"][0][:2] == ["all/s0_0.png", "blast/near.png"]
    off = small_config(tmp_path, data=["data=folder", f"data_dir={root}", "data.positive_class=all"])
    assert "near_duplicates=off" in find_near_duplicates(seen, external.frame, off, False)[1]
    gone = config.model_copy(update={"data_dir": str(tmp_path / "gone")})
    assert "gone" in find_near_duplicates(seen, external.frame, gone, False)[1]
    swapped = config.model_copy(update={"data_dir": str(other), "data": external_config.data})
    assert f"data_dir={other}" in find_near_duplicates(seen, external.frame, swapped, False)[1]


def test_unused_images_count_for_the_scale_of_their_cell(tmp_path):
    root = write_chromosomes(tmp_path / "set", cases=2)
    prepare = PrepareConfig(
        size=(64, 32), fit="canvas", background="detect", canvas=CanvasConfig(scale_by="cell", oversize="shrink")
    )
    plain = small_config(tmp_path, data=["data=chromosomes", f"data_dir={root}", "head.logits=null"])
    scanned, config = scan_external(plain.model_copy(update={"prepare": prepare}), [], False)
    labels = scanned.frame["label"].where(scanned.frame["label"].isin(["1", "2"]), None)
    parts = assign_parts(labels, pd.Series(None, scanned.frame.index, dtype=object))
    data = ExternalDataModule(config, scanned, scanned, parts, False)
    data.prepare_data()
    data.setup("predict")
    assert len(data.rows("test")) == 8
    assert np.array_equal(data.images, prepared_images(scanned, prepare, tmp_path / "cache", False))
    served = list(data.predict_dataloader())
    assert np.concatenate([batch["index"] for batch in served]).tolist() == data.rows("test").tolist()
    assert {int(label) for batch in served for label in batch["label"]} == {0, 1}
    split = data.split_table(read_seen_images(write_split(tmp_path / "run", [("a", "train"), ("t", "test")]), None))
    assert split["part"].value_counts().to_dict() == {"unused": len(labels) - 8, "test": 8, "train": 1}
