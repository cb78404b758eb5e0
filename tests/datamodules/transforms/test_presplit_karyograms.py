"""Paper 001 augments karyograms before it splits: its numbers, the copies, and what that lets through."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.image_datamodule import ImageDataModule
from datamodules.manifest.leakage import check_leaks
from datamodules.manifest.splits import split
from datamodules.transforms.presplit_augmentation import copy_karyograms
from karyocyte.config.data import SplitConfig, TransformConfig
from karyocyte.config.sources import AugmentedConfig, KaryogramsConfig
from tests.helpers.manifests import make_manifest
from tests.helpers.sheets import karyogram_config, sheet_manifest, write_karyograms
from tests.helpers.training import composed

PAPER = AugmentedConfig(normal=3.58, abnormal=7.71)
LIGHT = TransformConfig(brightness=0.25, noise=0.05, blur=1.0)


def manifest_of(normal: int, abnormal: int, lost: int = 0):
    labels = ["normal"] * normal + ["abnormal"] * abnormal + ["preparation_loss"] * lost
    return make_manifest(labels, subjects=[f"p{number // 2}" for number in range(len(labels))])


def expanded(manifest, augmented=PAPER, split_config=None, transform=LIGHT):
    return copy_karyograms(manifest, augmented, transform, split_config or SplitConfig())


def test_the_papers_146_pictures_become_its_692_and_its_parts():
    data = KaryogramsConfig.model_validate(dict(composed(["data=karyograms"]).data))
    expansion = expanded(manifest_of(105, 41), data.augmented)
    frame = expansion.manifest.frame
    assert frame["label"].value_counts().to_dict() == {"normal": 376, "abnormal": 316}
    assert frame["image_id"].is_unique
    assert expansion.warnings[0] == (
        "augmented BEFORE the split, as paper 001: 105 “normal” became 376, 41 “abnormal” became 316; "
        "copies of one karyogram lie in several parts"
    )
    parts = split(expansion.manifest, "paper", SplitConfig(), data.paper_split)
    assert parts.value_counts().to_dict() == {"train": 442, "test": 139, "validation": 111}
    report = check_leaks(expansion.manifest, parts, "paper", SplitConfig(near_duplicates="off"))
    sides = parts.groupby(frame["sha256"]).nunique()
    assert len(report.identical_pairs) == (sides == 2).sum() + 3 * (sides == 3).sum() > 50
    assert len(report.subjects) > 25


@given(
    normal=st.integers(1, 40),
    abnormal=st.integers(1, 40),
    times=st.tuples(st.floats(1, 9), st.floats(1, 9)),
    seed=st.integers(0, 99),
)
@settings(max_examples=50)
def test_each_class_becomes_so_many_times_as_many_dealt_evenly(normal, abnormal, times, seed):
    augmented = AugmentedConfig(normal=times[0], abnormal=times[1])
    manifest = manifest_of(normal, abnormal)
    expansion = expanded(manifest, augmented, SplitConfig(seed=seed))
    wanted = {"normal": round(normal * times[0]), "abnormal": round(abnormal * times[1])}
    if wanted == {"normal": normal, "abnormal": abnormal}:
        assert expansion.manifest is manifest
        return
    assert expansion.manifest.frame["label"].value_counts().to_dict() == wanted
    images = expansion.images([])
    for name in wanted:
        each = np.bincount(images.origin, minlength=normal + abnormal)[(manifest.frame["label"] == name).to_numpy()]
        assert each.min() >= 1
        assert each.max() - each.min() <= 1
    frame, original = expansion.manifest.frame, manifest.frame.iloc[images.origin].reset_index(drop=True)
    for column in ("path", "label", "subject", "sha256"):
        assert (frame[column] == original[column]).all()
    ends = [f"_copy{number}" if number else "" for number in images.copy]
    assert frame["image_id"].tolist() == [name + end for name, end in zip(original["image_id"], ends, strict=True)]
    assert frame["image_id"].is_unique


def test_a_copy_is_a_pure_function_of_the_splits_seed_the_row_and_its_number():
    manifest, sheets = sheet_manifest(4)
    augmented = AugmentedConfig(normal=3, abnormal=3)
    copies = []
    for config in (SplitConfig(), SplitConfig(fold=2), SplitConfig(seed=1)):
        images = expanded(manifest, augmented, config).images(sheets)
        assert len(images) == 12
        keys = zip(images.origin.tolist(), images.copy.tolist(), strict=True)
        copies.append({key: images[row] for row, key in enumerate(keys)})
    one, other, unlike = copies
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[key], other[key]) for key in one)
    assert all(np.array_equal(one[row, 0], sheets[row]) for row in range(4))
    assert len({image.tobytes() for image in one.values()}) == 12
    assert all(np.array_equal(one[key], unlike[key]) == (key[1] == 0) for key in one.keys() & unlike.keys())


def test_all_parts_hold_copies_and_training_changes_them_no_more(tmp_path):
    root = write_karyograms(tmp_path / "data", {"normal": 8, "abnormal": 6})
    config = karyogram_config(tmp_path, root, "protocol=paper", "prepare.augment_at=48", "prepare.size=32", "seed=3")
    data = ImageDataModule(config, progress=False)
    data.setup()
    assert data.manifest.frame["label"].value_counts().to_dict() == {"abnormal": 46, "normal": 29}
    assert data.warnings()[0] == data.expansion.warnings[0]
    copies = data.manifest.frame["image_id"].str.contains("_copy")
    assert all(copies.iloc[data.rows(part)].any() for part in ("train", "validation", "test"))
    epochs = []
    for epoch in (0, 1):
        data._position = lambda epoch=epoch: (epoch, 0)
        epochs.append({})
        for batch in data.train_dataloader():
            epochs[-1] |= dict(zip(batch["index"].tolist(), batch["image"], strict=True))
    assert all(image.shape == (3, 32, 32) for image in epochs[0].values())
    shared = epochs[0].keys() & epochs[1].keys()  # a last batch of one waits for another epoch
    assert len(shared) > 40
    assert all(bool((epochs[0][row] == epochs[1][row]).all()) for row in shared)
