"""Pairs of pictures that show the same cell: the table that `datamodules.same_cells` writes, and what follows from it.

A cell may have been photographed or cut out again, under the name of the same subject or of another one: the files then
differ. Subjects with such pairs are one person, see `persons.link_subjects`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from datamodules.io.text_tables import read_text_table
from karyocyte.common.errors import UserError
from karyocyte.common.paths import ROOT

KNOWN = "known"  # the value of the key same_cells that stands for the table of a published data set
NONE = "none"
TABLES = {"cnmc": "cnmc", "hem_all": "cnmc"}  # the folder of results/ with the table of each source
FILE = "same_cells.csv"
SEEN = ("same", "other", "")  # what a person sees in a pair: one cell or two cells; "": nobody has looked
SIDES = ("left", "right")
COLUMNS = [f"{name}_{side}" for side in SIDES for name in ("image", "phash")] + ["seen"]
SAME_PICTURE = 32  # bits of 256 by which the hash of a picture may differ from the table, as after another compression
LINKING = 2  # pairs that link two subjects if nobody has looked at them


@dataclass(frozen=True)
class SameCells:
    """Pairs of pictures that show the same cell, by the names of the images.

    ``table`` has at least COLUMNS: the image_id and the perceptual hash (`scan.perceptual_hash`) of both sides, and
    what a person has ``seen``; pairs in which a person has seen two cells are in it, too.
    """

    table: pd.DataFrame

    @property
    def same(self) -> pd.DataFrame:
        """The table without the pairs in which a person has seen two cells."""
        return self.table[self.table["seen"] != "other"]

    @staticmethod
    def read(path: Path) -> "SameCells":
        """Read a table of pairs.

        Raises:
            UserError: The file cannot be read, lacks a column, or ``seen`` is none of SEEN.
        """
        table = read_text_table(path)
        absent = [name for name in COLUMNS if name not in table.columns]
        if absent:
            made = "scripts/same_cells.py writes such a table"
            raise UserError(f"{path} has no column {absent[0]}: {made}")
        table["seen"] = table["seen"].fillna("")
        unknown = table.loc[~table["seen"].isin(SEEN), "seen"]
        if len(unknown):
            raise UserError(f"{path}: seen is {unknown.iloc[0]}: write same, other, or nothing")
        return SameCells(table)

    @staticmethod
    def of_key(value: str, source: str) -> "SameCells | None":
        """Return the pairs of a source's published table and of the file in the key ``same_cells``, or None."""
        files = [ROOT / "results" / TABLES[source] / FILE] if value != NONE and source in TABLES else []
        if value not in (NONE, KNOWN):
            files.append(Path(value))
        if not files:
            return None
        tables = pd.concat([SameCells.read(file).table for file in files], ignore_index=True)
        # Of a pair that is named twice, in whatever order, the later row counts.
        pairs = tables[[f"image_{side}" for side in SIDES]].apply(frozenset, axis=1)
        return SameCells(tables[~pairs.duplicated(keep="last")].reset_index(drop=True))

    def rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the pairs both of whose pictures are in the frame of a manifest: ``left`` and ``right`` (its rows).

        A picture is recognised by its name and its hash, so that another compression of it is found, and another
        picture of that name is not. ``seen`` is kept.
        """
        places = pd.Series(frame.index, frame["image_id"])
        found = self.table[["seen"]].copy()
        for side in SIDES:
            found[side] = self.table[f"image_{side}"].map(places)
        known = found.dropna().astype(dict.fromkeys(SIDES, np.int64))
        for side in SIDES:
            hashes = frame["phash"].loc[known[side]].tolist()
            given = self.table.loc[known.index, f"phash_{side}"].tolist()
            known = known[_distances(hashes, given) <= SAME_PICTURE]
        return known.reset_index(drop=True)


def joined(links: Sequence[Sequence[str]]) -> list[set[str]]:
    """Return the sets of names that links chain, such as the subjects of each person."""
    from scipy.cluster.hierarchy import DisjointSet  # here: it takes a while to load

    sets = DisjointSet(name for names in links for name in names)
    for first, *others in links:
        for other in others:
            sets.merge(first, other)
    return list(sets.subsets())


def _distances(one: list[str], other: list[str]) -> np.ndarray:
    """Return the number of bits by which the hashes of each two pictures differ, int64."""
    pairs = [np.frombuffer(bytes.fromhex("".join(hashes)), np.uint64).reshape(-1, 4) for hashes in (one, other)]
    return np.asarray(np.bitwise_count(pairs[0] ^ pairs[1]).sum(axis=1, dtype=np.int64))
