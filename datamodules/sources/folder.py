"""Your own images: one sub-folder per class; and whole karyograms in two of them (paper 001, section 3.1.1)."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from common.config.base import FROM_YAML
from common.config.data import AugmentedConfig, SourceConfig
from common.errors import UserError
from common.karyotype import ABNORMAL, NORMAL
from datamodules.inference.image_files import describe_others
from datamodules.manifest.manifest import Manifest, absent_from, listed, order_classes
from datamodules.sources import SourceContext, source
from datamodules.sources._files import (
    hint_at_archives,
    image_files,
    is_drawn,
    is_image,
    name_parser,
    other_files,
    require_data_dir,
    sub_folders,
)


class FolderConfig(SourceConfig, defaults="data/folder"):
    """One sub-folder per class."""

    source: Literal["folder"]
    classes: tuple[str, ...] | None = FROM_YAML
    subject_regex: str | None = FROM_YAML


@source(FolderConfig)
def list_folder(data: FolderConfig, context: SourceContext) -> Manifest:
    """List ``<data_dir>/<class>/**/<image>``; the image's id is its path below ``data_dir``.

    ``data.classes`` picks class folders (and orders them, where there are more than two). ``data.subject_regex`` is
    searched in the file's name; the group named ``subject``, or else the first, is the subject.

    Raises:
        UserError: The folder is missing or empty, has no class folders, a class has no image, the positive class is not
            said, or a file's name does not match ``data.subject_regex``.
    """
    root = require_data_dir(context.data_dir)
    folders = _class_folders(root, data.classes)
    classes = order_classes(set(folders), data.positive_class)
    if data.classes and len(classes) > 2:
        classes = data.classes
    parse_subject = name_parser(data.subject_regex, "data.subject_regex", "subject")
    rows = []
    for name, folder in folders.items():
        for path in image_files(folder):
            below = path.relative_to(root).as_posix()
            rows.append({"image_id": below, "path": below, "label": name, "subject": parse_subject(path)})
    frame = listed(rows)
    drawn = is_drawn(root, frame["path"])
    notes = _left_out(root, folders.values())
    return Manifest(frame, root, classes, data.positive_class, data.source, notes, synthetic=drawn)


def _class_folders(root: Path, classes: tuple[str, ...] | None) -> dict[str, Path]:
    """The folders of the classes, or all, by name; each holds an image."""
    folders = {folder.name: folder for folder in sub_folders(root)}
    if not folders:
        raise UserError(f"{root} has no class folders{hint_at_archives(root)}: data_dir=<folder with one per class>")
    names = classes or tuple(folders)
    absent = absent_from(folders, names)
    if absent:
        raise UserError(f"data.classes: no folder {', '.join(absent)} in {root}; there are: {', '.join(folders)}")
    empty = [name for name in names if not image_files(folders[name])]
    if empty:
        remaining = ",".join(absent_from(empty, names))
        without = ", ".join(str(folders[name]) for name in empty)
        raise UserError(f"no image in {without}: add some, or set 'data.classes=[{remaining}]'")
    return {name: folders[name] for name in names}


def _left_out(root: Path, folders: Iterable[Path]) -> tuple[str, ...]:
    """Notes on the other files in the class folders, and on images beside these."""
    notes = []
    others = Counter(kind for folder in folders for kind in other_files(folder))
    if others:
        notes.append(f"left out in the class folders: {describe_others(dict(others.most_common()))}")
    loose = [entry for entry in root.iterdir() if entry.is_file() and is_image(entry.name)]
    if loose:
        notes.append(f"{len(loose):,} images beside the class folders of {root.name} left out")
    return tuple(notes)


class KaryogramsConfig(SourceConfig, defaults="data/karyograms"):
    """Whole karyograms in two folders, normal and abnormal."""

    source: Literal["karyograms"]
    subject_regex: str | None = FROM_YAML
    augmented: AugmentedConfig = FROM_YAML


@source(KaryogramsConfig)
def list_karyograms(data: KaryogramsConfig, context: SourceContext) -> Manifest:
    """List ``<data_dir>/normal/**/<image>`` and ``<data_dir>/abnormal/**/<image>``.

    As with the folder source the image's id is its path below ``data_dir``, and ``data.subject_regex`` finds the
    subject in the file's name. The positive class is ``abnormal`` unless ``data.positive_class`` says otherwise.

    Raises:
        UserError: The data folder or one of the two is missing or empty, or there are others; or a file's name does
            not match ``data.subject_regex``.
    """
    root = require_data_dir(context.data_dir)
    names = {folder.name for folder in sub_folders(root)}
    if names != {NORMAL, ABNORMAL}:  # a class that is misspelt would otherwise go unnoticed
        there = ", ".join(sorted(names)) or f"none{hint_at_archives(root)}"
        raise UserError(f"karyograms lie in the folders {NORMAL} and {ABNORMAL}; the folders in {root}: {there}")
    positive = data.positive_class or ABNORMAL
    as_folders = FolderConfig(source="folder", positive_class=positive, subject_regex=data.subject_regex)
    return replace(list_folder(as_folders, context), source=data.source)
