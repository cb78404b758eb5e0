"""The table of the images, before anything is split or decoded for training."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from datamodules.manifest.spellings import quotation, spellings
from karyocyte.common.errors import UserError
from karyocyte.common.files import sha256_of_value
from karyocyte.common.text import counted, natural_key
from karyocyte.config.overrides import typed_text

COLUMNS = ["image_id", "path", "label", "subject", "part", "cell", "kind", "group"]
PARTIAL = "partial: "  # how the note begins that a part has not all images that were published
DRAWN = "DRAWN.txt"  # in a folder of synthetic images, so that every result on them says so


@dataclass(frozen=True)
class ImageSet:
    """What is known of one of several sets that a source mixes."""

    weight: float  # how often one of its images is drawn for training, relative to those of the other sets
    upright: bool  # whether all of its images are upright; otherwise their orientation is not known
    train_cells: int | None = None  # how many of its cells train, while the others test; None: it is divided into folds


@dataclass(frozen=True)
class Person:
    """Several subjects of a source that share byte-identical files, or of which pictures show the same cells."""

    subjects: tuple[str, ...]  # in natural order
    files: int  # different files that lie under two or more of the subjects
    cells: int = 0  # pairs of pictures of two of the subjects that show one cell, of other bytes

    @property
    def name(self) -> str:
        """The first of the subjects."""
        return self.subjects[0]

    def __str__(self) -> str:
        names = f"{', '.join(self.subjects[:-1])} and {self.subjects[-1]}"
        shared = [f"share {counted(self.files, 'file')}"] * bool(self.files)
        shared += [f"show the same cell in {counted(self.cells, 'pair')} of pictures"] * bool(self.cells)
        return f"subjects {names} {' and '.join(shared)}: treated as one person"


@dataclass(frozen=True)
class Manifest:
    """One row per image of a source."""

    # the columns of `manifest_frame` and, once `scan.scan_listing` has opened the files, ``width`` and ``height``
    # (pixels, as decoded), ``channels`` (of the file), ``sha256`` (of the file's bytes, 64 hex digits), ``phash``
    # (perceptual hash, 256 bits as 64 hex digits) and `numbers.NUMBERS`. The index is 0, 1, 2, ...
    frame: pd.DataFrame
    root: Path  # the folder that the paths are below
    classes: tuple[str, ...]  # their order is the class index; with two classes the positive one has index 1
    positive_class: str | None  # None with more than two classes
    source: str  # its name ("cnmc", ...)
    notes: tuple[str, ...] = ()  # for the user, such as what was left out; they name no image and no subject
    synthetic: bool = False  # whether the images are synthetic, not taken
    skipped: tuple[str, ...] = ()  # names of the broken images and cells that were left out
    sets: Mapping[str, ImageSet] = field(default_factory=dict)  # of a source that mixes several, by ``group``
    alike_subjects: tuple[tuple[str, ...], ...] = ()  # spellings of subjects that may be one person each
    persons: tuple[Person, ...] = ()  # of several subjects each; their ``subject`` in ``frame`` is the person's name
    # pictures of one cell, and of two that somebody told apart, as `same_cells.SameCells.rows` returns them
    cell_pairs: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=["left", "right", "seen"]), compare=False
    )

    @property
    def incomplete(self) -> tuple[str, ...]:
        """The notes that say that a part has not all images that were published."""
        return tuple(note for note in self.notes if note.startswith(PARTIAL))

    def file(self, row: int) -> Path:
        """Return the file of the image in row ``row``."""
        return self.root / str(self.frame["path"].iloc[row])

    def is_marked(self) -> bool:
        """Tell whether the mark of synthetic images is in the folder, or in that of one of the images."""
        folders = {Path()}
        for folder in map(Path, self.frame["path"].str.rpartition("/")[0].unique()):
            folders |= {folder, *folder.parents}
        return any((self.root / folder / DRAWN).is_file() for folder in folders)

    def rows(self, *columns: str) -> list[list[Any]]:
        """Return columns of the frame, row by row; None where a value is unknown."""
        rows = self.frame[list(columns)].astype(object)
        values: list[list[Any]] = rows.where(rows.notna(), None).to_numpy().tolist()
        return values


def absent_from(present: Container[str], names: Iterable[str]) -> list[str]:
    """Return those of the names that are not present, in their order."""
    return [name for name in names if name not in present]


def manifest_frame(rows: pd.DataFrame | Sequence[Mapping[str, str | None]]) -> pd.DataFrame:
    """Return the frame of a manifest whose files were not opened yet; a fact that is empty or missing becomes None.

    Its columns are ``image_id`` (unique in the source), ``path`` (POSIX, below the source's root), ``label`` (class),
    ``subject`` (person), ``part`` (of the data set: "fold_0", "prelim", ...), ``cell`` (metaphase of a chromosome
    or a karyogram), ``kind`` (detail of the class, such as that of an abnormality), ``group`` (staining, site, ...).
    """
    table = pd.DataFrame(rows)
    if not isinstance(rows, pd.DataFrame) and (unknown := absent_from(COLUMNS, table.columns)):
        raise UserError(f"the images of a source have no column {unknown[0]}: there are {', '.join(COLUMNS)}")
    frame = table.reindex(columns=COLUMNS).astype(object)
    return frame.where(frame.notna() & (frame != ""), None).reset_index(drop=True)


def content_hash(manifest: Manifest) -> str:
    """Return a SHA-256 over what the images are and how they are labelled, wherever they lie.

    It covers image_id, label, subject, part, cell and bytes of every image and the order of the classes, not ``root``:
    the same data in another folder has the same hash.
    """
    rows = manifest.rows("image_id", "label", "subject", "part", "cell", "sha256")
    return sha256_of_value({"classes": manifest.classes, "rows": rows})


def order_classes(names: set[str], positive_class: str | None) -> tuple[str, ...]:
    """Put class names in the order of their indices: negative then positive, or, if more than two, natural order.

    Raises:
        UserError: There is one class only; the positive class of two is not given, or none of them; or it is given for
            more than two.
    """
    classes = tuple(sorted(names, key=natural_key))
    alike = spellings(names)
    # Two spellings of one class would leave nothing to tell apart, or hide some positive images.
    if alike and (len(classes) == 2 or positive_class is not None):
        raise UserError(f"classes {quotation(alike[0])} may be the same: write them alike, or so that more differs")
    if len(classes) < 2:
        raise UserError(
            f"two classes or more are needed, found: {', '.join(classes) or 'none'} (data_dir, data.source)"
        )
    if len(classes) > 2:
        if positive_class is not None:
            given = f"data.positive_class={positive_class}"
            remedy = "leave it out, `data.positive_class=null`"
            raise UserError(f"{given} has no meaning with {len(classes)} classes: {remedy}")
        return classes
    options = " or ".join(f"`{typed_text('data.positive_class', name)}`" for name in classes)
    if positive_class is None:
        raise UserError(f"no positive class is given (the class to detect): add {options}")
    if positive_class not in classes:
        raise UserError(f"data.positive_class={positive_class} is no class of these images: say {options}")
    return tuple(sorted(classes, key=positive_class.__eq__))
