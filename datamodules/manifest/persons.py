"""Persons behind subjects: subjects that share byte-identical files are one person, and one copy of a file is used."""

from dataclasses import replace
from itertools import chain

import pandas as pd

from datamodules.manifest.manifest import Manifest, Person
from karyocyte.common.text import natural_key


def link_subjects(manifest: Manifest) -> Manifest:
    """Return a manifest in which subjects that share byte-identical files are one person.

    Links chain: if A shares a file with B and B with C, all three are one person. The person has the name of the first
    of the subjects in natural order, and it is the ``subject`` of all of their images. Of the published C-NMC 2019, 11
    subjects of three folds are four persons.
    """
    from scipy.cluster.hierarchy import DisjointSet  # here: it takes a while to load

    known = manifest.frame.dropna(subset=["subject"])
    sharing = known.groupby("sha256")["subject"].unique()
    sharing = sharing[sharing.map(len) > 1]
    joined = DisjointSet(chain(*sharing))
    for first, *others in sharing:
        for other in others:
            joined.merge(first, other)
    persons = []
    for subjects in joined.subsets():
        files = sum(subjects.issuperset(names) for names in sharing)
        ordered = tuple(sorted(subjects, key=natural_key))
        persons.append(Person(ordered, files))
    persons.sort(key=lambda person: natural_key(person.name))
    names = {subject: person.name for person in persons for subject in person.subjects}
    frame = manifest.frame.assign(subject=manifest.frame["subject"].replace(names))
    return replace(manifest, frame=frame, persons=tuple(persons))


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
