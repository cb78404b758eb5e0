"""Your own images: one sub-folder per class; and whole karyograms in two of them (paper 001, section 3.1.1)."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from datamodules.manifest.manifest import Manifest, absent_from, listed, order_classes
from datamodules.manifest.splits import TEST_NAMES, TRAIN_NAMES, VALIDATION_NAMES
from datamodules.sources import SourceContext, merged, source
from datamodules.sources.listing import data_folder, hint_at_archives, image_files, name_parser, sub_folders
from datamodules.transforms.expansion import Expansion
from karyocyte.common.config.schema import Config
from karyocyte.common.config.sources import FolderConfig, KaryogramsConfig
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import ABNORMAL, NORMAL

_MASKS = {
    "mask", "masks", "annotation", "annotations", "segmentation", "segmentations", "groundtruth", "ground_truth", "gt",
}  # fmt: skip


@source(FolderConfig)
def list_folder(data: FolderConfig, context: SourceContext) -> Manifest:
    """List ``<data_dir>/<class>/**/<image>``; the image's id is its path below ``data_dir``.

    ``data.classes`` picks class folders (and orders them, where there are more than two). ``data.subject_regex`` is
    searched in the file's name; the group named ``subject``, or else the first, is the subject.

    Folders that are all named as parts (train, val, test) are given parts, with the class folders in them.

    Raises:
        UserError: The folder is missing or empty, has no class folders, or some that are no classes; a class has no
            image, the positive class is not said, or a file's name does not match ``data.subject_regex``.
    """
    root = data_folder(context)
    rows = []
    parse_subject = name_parser(data.subject_regex, "data.subject_regex", "subject")
    parts = _part_folders(root, context.follow_links) if data.classes is None else []
    for part in parts or [root]:
        for name, files in _files_of_classes(part, data.classes, context).items():
            for path in files:
                below = path.relative_to(root).as_posix()
                row = {"image_id": below, "path": below, "label": name, "subject": parse_subject(path)}
                rows.append(row if part == root else row | {"part": part.name})
    frame = merged(listed(rows), context)
    classes = order_classes(set(frame["label"]), data.positive_class)
    if data.classes and len(classes) > 2:
        classes = data.classes
    return Manifest(frame, root, classes, data.positive_class, data.source, _notes_of_masks(rows))


def _part_folders(root: Path, follow_links: bool) -> list[Path]:
    """Return the folders in ``root`` where each is named as a part, such as train and val; none where one is not."""
    folders = sub_folders(root, follow_links)
    names = {folder.name.casefold() for folder in folders}
    is_divided = len(names) > 1 and names <= {*TRAIN_NAMES, *VALIDATION_NAMES, *TEST_NAMES}
    return folders if is_divided and not names.isdisjoint(TRAIN_NAMES) else []


def _notes_of_masks(rows: Sequence[Mapping[str, str | None]]) -> tuple[str, ...]:
    """Return a line where images lie in folders of a class that are named as masks are."""
    masks = sum(not _MASKS.isdisjoint(str(row["path"]).casefold().split("/")[1:-1]) for row in rows)
    return (f"{masks:,} images lie in folders whose names are those of masks: move them away if they are none",) * bool(
        masks
    )


def _files_of_classes(root: Path, classes: tuple[str, ...] | None, context: SourceContext) -> dict[str, list[Path]]:
    """The images of the classes, or of all folders, by name; each has one or more."""
    folders = {folder.name: folder for folder in sub_folders(root, context.follow_links)}
    if not folders:
        raise UserError(f"{root} has no class folders{hint_at_archives(root)}: data_dir=<folder with one per class>")
    names = classes or tuple(folders)
    if classes is None:
        _check_folders(root, folders)
    absent = absent_from(folders, names)
    if absent:
        raise UserError(f"data.classes: no folder {', '.join(absent)} in {root}; there are: {', '.join(folders)}")
    files = {name: image_files(folders[name], context.follow_links) for name in names}
    remaining = [name for name in names if files[name]]
    if len(remaining) < len(names):
        without = ", ".join(str(folders[name]) for name in absent_from(remaining, names))
        raise UserError(f"no image in {without}: add some, or set 'data.classes=[{','.join(remaining)}]'")
    return files


def _check_folders(root: Path, folders: Mapping[str, Path]) -> None:
    """Refuse folders that hold masks, or that all hold the same folders: those may be the classes."""
    remedy = f"'data.classes=[{','.join(folders)}]' if these are the classes"
    masks = [name for name in folders if name.casefold() in _MASKS]
    if masks:
        raise UserError(f"{root}: {', '.join(masks)} is the name of a folder of masks, not of a class: {remedy}")
    inner = [tuple(folder.name for folder in sub_folders(path)) for path in folders.values()]
    if len(inner) > 1 and len(inner[0]) > 1 and len(set(inner)) == 1:
        found = f"{root}: the folders {', '.join(folders)} all hold {', '.join(inner[0])}"
        one = shlex.quote(f"data_dir={root / min(folders)}")
        raise UserError(f"{found}, which may be the classes: {one}, or {remedy}")


def expand_karyograms(manifest: Manifest, config: Config) -> Expansion:
    """Add the copies of paper 001."""
    from datamodules.transforms.presplit_augmentation import copy_karyograms  # with the library of transforms

    data: Any = config.data  # KaryogramsConfig or ComposedKaryogramsConfig
    return copy_karyograms(manifest, data.augmented, config.transform, config.split)


@source(KaryogramsConfig, expand=expand_karyograms)
def list_karyograms(data: KaryogramsConfig, context: SourceContext) -> Manifest:
    """List ``<data_dir>/normal/**/<image>`` and ``<data_dir>/abnormal/**/<image>``.

    As with the folder source the image's id is its path below ``data_dir``, and ``data.subject_regex`` finds the
    subject in the file's name. The positive class is ``abnormal`` unless ``data.positive_class`` says otherwise.

    Raises:
        UserError: The data folder or one of the two is missing or empty, or there are others; or a file's name does
            not match ``data.subject_regex``.
    """
    root = data_folder(context)
    names = {sub_folder.name for sub_folder in sub_folders(root)}
    if names != {NORMAL, ABNORMAL}:  # a class that is misspelt would otherwise go unnoticed
        there = ", ".join(sorted(names)) or f"none{hint_at_archives(root)}"
        raise UserError(f"karyograms lie in the folders {NORMAL} and {ABNORMAL}; the folders in {root}: {there}")
    positive = data.positive_class or ABNORMAL
    as_folders = FolderConfig(source="folder", positive_class=positive, subject_regex=data.subject_regex)
    return replace(list_folder(as_folders, context), source=data.source)
