"""Several sets of chromosomes in one training: names, split, weights and orientation."""

import numpy as np
import pytest
import torch

from datamodules.image_datamodule import ImageDataModule
from karyocyte.common.errors import UserError
from karyocyte.composition.compose import check_config, compose_overrides
from tests.helpers.chromosomes import write_chromosomes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("sets")
    write_chromosomes(root / "one", cases=6)
    write_chromosomes(root / "other", cases=6, copies=1, seed=10_000)
    return root


def data_of(folder, *words, weight=1.0, upright=True, whole_cells=True):
    facts = f"weight: {weight}, upright: {upright}, whole_cells: {whole_cells}"
    words = [
        *("data=chromosome_sets", f"data_dir={folder}", f"cache_dir={folder}/cache", "weights=random"),
        "+data.sets.one={folder: one, weight: 1.0, upright: true, whole_cells: true}",
        f"+data.sets.other={{folder: {folder / 'other'}, {facts}}}",
        *("prepare.fit=canvas", "prepare.size=[48,24]", "prepare.canvas.scale_by=cell", "prepare.canvas.area=200"),
        *("prepare.canvas.unknown_cell=width", "split.folds=3", *words),
    ]
    return ImageDataModule(check_config(compose_overrides(words)), progress=False)


def test_equal_names_in_two_sets_are_different_images_cells_and_subjects(folder):
    frame = data_of(folder).scanned.frame
    assert not frame["image_id"].duplicated().any()
    assert sorted(frame["group"].unique()) == ["one", "other"]
    for column in ("subject", "cell"):
        assert frame[column].nunique() == 12
        assert (frame[column].str.partition("/")[0] == frame["group"]).all()
    assert (frame["path"].str.partition("/")[0] == frame["group"]).all()


def test_each_set_is_split_by_its_own_cases(folder):
    data = data_of(folder)
    table = data.manifest.frame.assign(part=data.parts)
    assert (table.groupby("subject")["part"].nunique() == 1).all()
    subjects = table.groupby(["group", "part"])["subject"].nunique()
    parts = ("train", "validation", "test")
    assert subjects.to_dict() == {(name, part): 2 for name in ("one", "other") for part in parts}
    data.setup()
    assert not any("passes over" in line for line in data.warnings())


@pytest.mark.parametrize("cells", [0, 2, 6])
def test_some_cells_of_a_set_train_and_the_others_test(folder, cells):
    data = data_of(folder, "data.new_set=other", f"data.new_cells={cells}")
    table = data.manifest.frame.assign(part=data.parts)
    numbers = table.groupby(["group", "part"])["cell"].nunique()
    assert numbers["one"].to_dict() == {"train": 2, "validation": 2, "test": 2}
    counts = {"train": cells, "test": 6 - cells}
    assert numbers["other"].to_dict() == {part: count for part, count in counts.items() if count}
    assert any("no cell of it tests" in note for note in data.manifest.notes) == (cells == 6)
    assert (table.groupby("subject")["part"].nunique() == 1).all()


def test_the_cells_that_train_are_among_those_of_a_longer_training(folder):
    few, more = (data_of(folder, "data.new_set=other", f"data.new_cells={cells}") for cells in (1, 3))
    other = (few.manifest.frame["group"] == "other").to_numpy()
    assert (few.parts[other] == "train").any()
    assert (more.parts[other & (few.parts == "train")] == "train").all()
    seeds = [data_of(folder, "data.new_set=other", "data.new_cells=1", f"split.seed={seed}") for seed in range(4)]
    assert len({tuple(data.parts[other]) for data in seeds}) > 1


def test_weights_say_how_often_an_image_is_drawn(folder):
    assert data_of(folder).plan.sample_weights is None
    data = data_of(folder, weight=3.0)
    drawn = data.train_sampler(lambda: (0, 0)).order(0)
    other = (data.manifest.frame["group"] == "other").to_numpy()[data.plan.rows]
    expected = 3 * other.sum() / (3 * other.sum() + (~other).sum())
    assert other[drawn].mean() == pytest.approx(expected, abs=4 * np.sqrt(0.25 / len(drawn)))


def test_cells_that_are_not_whole_are_not_used(folder):
    frame = data_of(folder, whole_cells=False).scanned.frame
    assert frame["cell"].isna().equals(frame["group"] == "other")


@pytest.mark.parametrize("upright", [True, False])
def test_a_batch_says_which_images_are_surely_upright(folder, upright):
    data = data_of(folder, upright=upright)
    data._position = lambda: (0, 0)
    batch = next(iter(data.train_dataloader()))
    if upright:
        assert "upright" not in batch
    else:
        in_one = torch.from_numpy((data.manifest.frame["group"] == "one").to_numpy(copy=True))
        assert torch.equal(batch["upright"], in_one[batch["index"]])


def test_an_error_names_the_set(folder):
    words = "data.sets.other.folder=nowhere"
    with pytest.raises(UserError, match=r"data\.sets\.other: data folder .*nowhere is missing"):
        _ = data_of(folder, words).scanned


def test_the_new_set_must_be_one_of_the_sets(folder):
    with pytest.raises(UserError, match=r"data\.new_set=third is none of the sets: name one of one, other"):
        _ = data_of(folder, "data.new_set=third").scanned
