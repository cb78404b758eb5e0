"""Subjects that share files are one person, in one part; of identical files one is used."""

import json
import shutil
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest

from datamodules import FolderDataModule
from datamodules.manifest.leakage import check_leaks
from datamodules.manifest.persons import link_subjects, parts_by_person, surplus_copies
from datamodules.manifest.same_cells import COLUMNS, SameCells
from datamodules.manifest.splits import split
from karyocyte.common.errors import UserError
from karyocyte.config.data import SplitConfig
from tests.helpers.images import write_image
from tests.helpers.manifests import make_manifest, two_class_manifest


def with_folds():
    """Three folds of eight subjects of four images; s2 and s10 share two files, s10 and t5 another, x is alone."""
    places = product(range(3), "ab", range(4), range(4))
    rows = [(label, f"{label}{fold}{number}", f"fold_{fold}") for fold, label, number, _ in places]
    rows += [("a", "s10", "fold_0")] * 2 + [("a", "s2", "fold_2")] * 3 + [("a", "t5", "fold_1")]
    labels, subjects, parts = zip(*rows, strict=True)
    files = [f"{number:064x}" for number in range(len(rows))]
    files[-6:] = ["one", "two", "one", "two", "three", "two"]
    return make_manifest(labels, subjects, parts, sha256=files)


def test_links_chain_and_the_first_name_in_natural_order_is_that_of_the_person():
    linked = link_subjects(with_folds())
    (person,) = linked.persons
    assert person.subjects == ("s2", "s10", "t5")
    assert person.files == 2
    assert set(linked.frame["subject"][-6:]) == {"s2"}
    assert linked.frame["subject"][:-6].equals(with_folds().frame["subject"][:-6])


def test_nothing_is_linked_where_no_file_is_shared_or_no_subject_is_known():
    manifest = two_class_manifest(4, 3)
    assert link_subjects(manifest).frame.equals(manifest.frame)
    unknown = make_manifest(["a", "a", "b"], ["s1", None, "s2"], sha256=["x", "x", "y"])
    assert link_subjects(unknown).persons == ()


def test_a_person_belongs_to_the_part_of_most_images_and_of_equally_many_to_the_first():
    linked = link_subjects(with_folds())
    assert set(parts_by_person(linked)[-6:]) == {"fold_2"}
    even = link_subjects(make_manifest(["a"] * 4, list("stst"), ["fold_1", "fold_0"] * 2, sha256=list("xxyz")))
    assert set(parts_by_person(even)) == {"fold_0"}


def test_of_copies_the_first_by_path_stays_that_is_in_the_part_of_the_person():
    surplus = surplus_copies(link_subjects(with_folds()))
    # The person's part is fold_2, where image 98 is "one" and 99 is "two".
    assert surplus.to_dict() == {96: "i00098.png", 97: "i00099.png", 101: "i00099.png"}
    alone = surplus_copies(make_manifest(["a", "a", "b"], sha256=["x", "x", "y"]))
    assert alone.to_dict() == {1: "i00000.png"}


@pytest.mark.parametrize("fold", range(3))
def test_no_person_and_no_file_is_in_two_parts(fold):
    linked = link_subjects(with_folds())
    parts = split(linked, "subject", SplitConfig(fold=fold), None)
    report = check_leaks(linked, parts, "subject", SplitConfig())
    assert report.counts()["subjects"] == report.counts()["identical_pairs"] == 0
    assert (parts == "unused").sum() == 3
    assert ("test" in set(parts[-6:])) == (fold == 2)


def test_a_run_records_persons_and_copies_and_tells_what_was_skipped(tmp_path):
    images = {}
    for label, subject, number in product("ab", range(6), range(3)):
        name = f"{label}{subject}_{number}.png"
        pixels = np.random.default_rng(len(images)).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        images[name] = write_image(tmp_path / "set" / label / name, pixels)
    shutil.copy(images["a1_2.png"], images["a5_0.png"])
    (tmp_path / "set" / "b" / "empty_0.png").touch()
    keys = {"positive_class": "b", "subject_regex": "^(?P<subject>[^_]+)_", "split": {"folds": 3}, "size": 16}
    keys["on_broken"] = "skip"
    data = FolderDataModule(data_dir=str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"), progress=False, **keys)
    data.setup()
    assert any("subjects a1 and a5 share 1 file: treated as one person" in line for line in data.describe())
    assert data.remarks[0].startswith("1 broken image skipped: 1 an empty file")
    assert "skipped: b/empty_0.png" in data.describe()
    data.write_facts(tmp_path)
    facts = json.loads((tmp_path / "data.json").read_text())
    assert facts["persons"] == [{"subjects": ["a1", "a5"], "files": 1, "cells": 0}]
    assert facts["copies"] == {"a/a5_0.png": "a/a1_2.png"}


def pairs_of(manifest, *pairs, seen=""):
    """A table of pairs of image ids, each side with the hash that the manifest has, and what was seen of them."""
    hashes = manifest.frame.set_index("image_id")["phash"]
    rows = [(one, hashes[one], other, hashes[other], seen) for one, other in pairs]
    return SameCells(pd.DataFrame(rows, columns=COLUMNS))


@pytest.mark.parametrize(
    ("count", "seen", "linked"), [(1, "", False), (2, "", True), (1, "same", True), (2, "other", False)]
)
def test_two_pairs_of_pictures_of_one_cell_link_two_subjects_and_so_does_one_that_was_looked_at(count, seen, linked):
    manifest = two_class_manifest(4, 3)
    names = manifest.frame.groupby("subject")["image_id"].apply(list)
    pairs = [(names.iloc[0][place], names.iloc[1][place]) for place in range(count)]
    found = link_subjects(manifest, pairs_of(manifest, *pairs, seen=seen))
    assert [person.subjects for person in found.persons] == [tuple(names.index[:2])] * linked
    assert [person.cells for person in found.persons] == [count] * linked
    assert len(found.cell_pairs) == count


def test_a_pair_of_which_a_picture_has_another_hash_or_name_links_nothing():
    manifest = two_class_manifest(4, 3)
    names = manifest.frame.groupby("subject")["image_id"].apply(list)
    pairs = pairs_of(manifest, *zip(names.iloc[0], names.iloc[1], strict=True))
    other = manifest.frame["phash"].map(lambda digits: f"{int(digits, 16) ^ (2**256 - 1):064x}")
    assert link_subjects(replace(manifest, frame=manifest.frame.assign(phash=other)), pairs).persons == ()
    renamed = manifest.frame.assign(image_id="x" + manifest.frame["image_id"])
    assert link_subjects(replace(manifest, frame=renamed), pairs).persons == ()


def test_a_table_of_pairs_leaves_out_what_was_seen_to_be_two_cells_and_says_what_it_lacks(tmp_path):
    manifest = two_class_manifest(4, 3)
    ids = manifest.frame["image_id"]
    table = pairs_of(manifest, (ids[0], ids[3]), (ids[1], ids[4])).table
    table.loc[1, "seen"] = "other"
    table.to_csv(tmp_path / "pairs.csv", index=False)
    given = SameCells.of_key(str(tmp_path / "pairs.csv"), "folder")
    assert list(link_subjects(manifest, given).cell_pairs["seen"]) == ["", "other"]
    beside = SameCells.of_key(str(tmp_path / "pairs.csv"), "cnmc")
    assert len(beside.table) == 2 + len(SameCells.of_key("known", "cnmc").table)
    assert SameCells.of_key("known", "folder") is None
    assert len(SameCells.of_key("known", "cnmc").table) > 1000
    table.drop(columns="seen").to_csv(tmp_path / "pairs.csv", index=False)
    with pytest.raises(UserError, match="no column seen: .*same_cells.py"):
        SameCells.of_key(str(tmp_path / "pairs.csv"), "folder")
