"""Augmenting before the split: paper 003's numbers, and what it lets through."""

import numpy as np
import pytest

from datamodules.image_datamodule import ImageDataModule
from datamodules.manifest.leakage import check_leaks
from datamodules.manifest.manifest import content_hash
from datamodules.manifest.splits import split
from datamodules.sources.cnmc import PUBLISHED
from datamodules.transforms.presplit_augmentation import turn_and_subsample
from karyocyte.config.data import SplitConfig, TransformConfig
from karyocyte.config.sources import PaperSplit
from tests.helpers.images import write_cnmc
from tests.helpers.manifests import make_manifest
from tests.helpers.training import small_config

PAPER = PaperSplit(train=0.72, validation=0.08)


def cnmc_manifest(all_count, hem_count):
    labels = ["all"] * all_count + ["hem"] * hem_count
    return make_manifest(labels, parts=[f"fold_{number % 3}" for number in range(len(labels))])


@pytest.fixture(scope="module")
def whole():
    counts = [sum(PUBLISHED[f"fold_{fold}"][position] for fold in range(3)) for position in (0, 1)]
    return cnmc_manifest(*counts)


def expanded(manifest, images=13_833, **keys):
    return turn_and_subsample(manifest, images, TransformConfig(), SplitConfig(**keys))


def test_the_whole_set_gives_the_papers_number_of_images(whole):
    expansion = expanded(whole)
    frame = expansion.manifest.frame
    assert len(whole.frame) == 10_661
    assert len(frame) == 13_833
    assert frame["label"].value_counts().to_dict() == {"all": 7_055, "hem": 6_778}
    assert frame["image_id"].is_unique
    assert expansion.images([]).copy.sum() == 3_389
    for text in ("BEFORE the split", "3,389 copies of hem", "217 all left out"):
        assert text in expansion.warnings[0]
    parts = split(expansion.manifest, "paper", SplitConfig(), PAPER)
    assert (parts == "test").sum() == 13_833 - 9_959 - 1_106
    report = check_leaks(expansion.manifest, parts, "paper", SplitConfig(near_duplicates="off"))
    assert len(report.identical_pairs) == (parts.groupby(frame["sha256"]).nunique() == 2).sum() > 1_000


def test_another_draw_is_another_data_set_and_the_same_is_the_same(whole):
    first = content_hash(expanded(whole).manifest)
    assert content_hash(expanded(whole).manifest) == first
    assert content_hash(expanded(whole, fold=1).manifest) != first
    assert content_hash(expanded(whole, seed=1).manifest) != first


@pytest.mark.parametrize(
    ("counts", "images", "expected"),
    [
        ((7272, 3389), None, [6778, 6778]), ((51, 44), 13_833, [51, 51]), ((40, 50), None, [50, 50]),
        ((100, 10), None, [20, 20]), ((100, 10), 50, [20, 30]), ((30, 30), 50, [20, 30]),
    ],
)  # fmt: skip
def test_other_numbers(counts, images, expected):
    frame = expanded(cnmc_manifest(*counts), images).manifest.frame
    assert sorted(frame["label"].value_counts()) == expected


def test_images_of_other_parts_stay_as_they_are():
    labels = ["all"] * 20 + ["hem"] * 10 + ["all", "hem", None]
    manifest = make_manifest(labels, parts=["fold_0"] * 30 + ["prelim", "prelim", "final"])
    frame = expanded(manifest).manifest.frame
    assert frame["part"].value_counts().to_dict() == {"fold_0": 40, "prelim": 2, "final": 1}


def test_the_data_module_serves_turned_copies_and_warns(tmp_path):
    root = write_cnmc(tmp_path / "cnmc", subjects_per_fold=6, images=1)
    for path in list(root.rglob("*_all.bmp"))[::2]:
        path.with_name(path.name.replace("UID_", "UID_9")).write_bytes(path.read_bytes()[:-1] + b"\x07")
    overrides = ["data=hem_all", f"data_dir={root}"]
    extra = ["protocol=paper", "balance=hem_all", "transform=hem_all", "prepare.crop=false"]
    extra += ["data.paper_split.train=0.5", "data.paper_split.validation=0.25"]
    data = ImageDataModule(small_config(tmp_path, *extra, data=overrides), progress=False)
    data.setup()
    frame = data.manifest.frame
    assert frame["label"].value_counts().to_dict() == {"all": 27, "hem": 27}
    assert (data.plan.copy == 0).all()
    assert len(data.plan.rows) == len(data.rows("train"))
    assert len(data.images) == 54
    assert len(data.scanned.frame) == 45
    assert data.warnings()[0] == data.expansion.warnings[0]
    row_of = {image_id: row for row, image_id in enumerate(frame["image_id"])}
    copies = [image_id for image_id in row_of if image_id.endswith("_turned90")]
    assert len(copies) == 9
    for image_id in copies:
        original = data.images[row_of[image_id.removesuffix("_turned90")]]
        assert np.array_equal(data.images[row_of[image_id]], np.rot90(original))
    for batch in data.predict_dataloader():
        for image, row in zip(batch["image"], batch["index"].tolist(), strict=True):
            assert np.array_equal(image.numpy().transpose(1, 2, 0), data.images[row] / np.float32(255))


def test_the_honest_protocol_evens_out_the_train_part_alone(tmp_path):
    root = write_cnmc(tmp_path / "cnmc", subjects_per_fold=6, images=1)
    for path in list(root.rglob("*_hem.bmp"))[::2]:
        path.unlink()
    images = ["data=hem_all", f"data_dir={root}"]
    config = small_config(tmp_path, "balance=hem_all", "transform=hem_all", data=images)
    data = ImageDataModule(config, progress=False)
    data.setup()
    assert data.manifest is data.scanned
    assert set(data.plan.rows) <= set(data.rows("train"))
    assert (data.plan.copy == 1).sum() > 0
    drawn = np.bincount(data.labels[data.plan.rows])
    assert drawn[0] == drawn[1]
