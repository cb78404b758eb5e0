"""Persons behind subjects: subjects that share files or cells are one person, and one copy of a file is used."""

from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from datamodules.manifest.manifest import Manifest, Person
from datamodules.manifest.same_cells import LINKING, SameCells, joined
from karyocyte.common.text import natural_key


def link_subjects(manifest: Manifest, same_cells: SameCells | None = None) -> Manifest:
    """Return a manifest in which subjects that share byte-identical files, or cells, are one person.

    ``same_cells`` are pairs of pictures that show one cell. Two of them link two subjects, and so does one that
    somebody looked at. Links chain: if A shares a file with B and B with C, all three are one person. The person has
    the name of the first of the subjects in natural order, and it is the ``subject`` of all of their images. Of the
    published C-NMC 2019, 11 subjects of three folds are four persons by their files.
    """
    subjects = manifest.frame["subject"]
    known = manifest.frame.dropna(subset=["subject"])
    sharing = known.groupby("sha256")["subject"].unique()
    sharing = sharing[sharing.map(len) > 1]
    pairs = pd.DataFrame(columns=["left", "right", "seen"]) if same_cells is None else same_cells.rows(manifest.frame)
    shown = pairs.assign(left=subjects.reindex(pairs["left"]).array, right=subjects.reindex(pairs["right"]).array)
    shown = shown.dropna(subset=["left", "right"]).query("left != right and seen != 'other'")
    links = [*sharing, *_linked(shown)]
    persons = []
    for of_person in joined(links):
        files = sum(of_person.issuperset(names) for names in sharing)
        cells = int((shown["left"].isin(of_person) & shown["right"].isin(of_person)).sum())
        persons.append(Person(tuple(sorted(of_person, key=natural_key)), files, cells))
    persons.sort(key=lambda person: natural_key(person.name))
    names = {subject: person.name for person in persons for subject in person.subjects}
    frame = manifest.frame.assign(subject=subjects.replace(names))
    return replace(manifest, frame=frame, persons=tuple(persons), cell_pairs=pairs)


def _linked(shown: pd.DataFrame) -> Iterable[tuple[str, str]]:
    """Yield the two subjects of every link, of pairs with the subjects ``left`` and ``right``, and ``seen``."""
    sides = [tuple(sorted(pair, key=natural_key)) for pair in zip(shown["left"], shown["right"], strict=True)]
    for names, of_names in shown.groupby(pd.Series(sides, shown.index, dtype=object), sort=False):
        if len(of_names) >= LINKING or (of_names["seen"] == "same").any():
            yield names


def parts_by_person(manifest: Manifest) -> pd.Series:
    """Return the given part ("fold_0", ...; None) of each image, by the manifest row.

    All images of a linked person are in the part that holds most of them; of equally many, in the first by its name.
    """
    frame = manifest.frame
    parts = frame["part"].copy()
    for person in manifest.persons:
        rows = frame["subject"] == person.name
        parts[rows] = parts[rows].fillna("").mode()[0] or None  # it sorts equally frequent ones
    return parts


def surplus_copies(manifest: Manifest) -> pd.Series:
    """Return which images are further copies of a file: the path of the copy that is kept, by the manifest row.

    Of copies of one file the first by path is kept, before all those in the given part of their person. Images without
    a label do not count.
    """
    frame = manifest.frame[manifest.frame["label"].notna()]
    copies = frame[frame["sha256"].duplicated(keep=False)]
    home = parts_by_person(manifest)[copies.index]
    is_moved = copies["part"].fillna("") != home.fillna("")
    ordered = copies.assign(is_moved=is_moved).sort_values(["is_moved", "path"], kind="stable")
    kept = ordered.groupby("sha256")["path"].transform("first")
    return kept[ordered["sha256"].duplicated()].sort_index()
