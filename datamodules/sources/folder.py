"""Your own images: one sub-folder per class; and whole karyograms in two of them (paper 001, section 3.1.1)."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from datamodules.manifest.manifest import Manifest, absent_from, listed, order_classes
from datamodules.sources import SourceContext, source
from datamodules.sources.listing import data_folder, hint_at_archives, image_files, is_image, name_parser, sub_folders
from datamodules.transforms.expansion import Expansion
from karyocyte.common.config.schema import Config
from karyocyte.common.config.sources import FolderConfig, KaryogramsConfig
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import ABNORMAL, NORMAL


@source(FolderConfig)
def list_folder(data: FolderConfig, context: SourceContext) -> Manifest:
    """List ``<data_dir>/<class>/**/<image>``; the image's id is its path below ``data_dir``.

    ``data.classes`` picks class folders (and orders them, where there are more than two). ``data.subject_regex`` is
    searched in the file's name; the group named ``subject``, or else the first, is the subject.

    Raises:
        UserError: The folder is missing or empty, has no class folders, a class has no image, the positive class is not
            said, or a file's name does not match ``data.subject_regex``.
    """
    root = data_folder(context)
    files_of_class = _files_of_classes(root, data.classes)
    classes = order_classes(set(files_of_class), data.positive_class)
    if data.classes and len(classes) > 2:
        classes = data.classes
    parse_subject = name_parser(data.subject_regex, "data.subject_regex", "subject")
    rows = []
    for name, files in files_of_class.items():
        for path in files:
            below = path.relative_to(root).as_posix()
            rows.append({"image_id": below, "path": below, "label": name, "subject": parse_subject(path)})
    beside = sum(is_image(entry.name) for entry in root.iterdir() if entry.is_file())
    notes: tuple[str, ...] = ()
    if beside:
        notes = (f"{beside:,} images beside the class folders of {root.name} left out",)
    return Manifest(listed(rows), root, classes, data.positive_class, data.source, notes)


def _files_of_classes(root: Path, classes: tuple[str, ...] | None) -> dict[str, list[Path]]:
    """The images of the classes, or of all folders, by name; each has one or more."""
    folders = {folder.name: folder for folder in sub_folders(root)}
    if not folders:
        raise UserError(f"{root} has no class folders{hint_at_archives(root)}: data_dir=<folder with one per class>")
    names = classes or tuple(folders)
    absent = absent_from(folders, names)
    if absent:
        raise UserError(f"data.classes: no folder {', '.join(absent)} in {root}; there are: {', '.join(folders)}")
    files = {name: image_files(folders[name]) for name in names}
    remaining = list(filter(files.get, names))
    if len(remaining) < len(names):
        without = ", ".join(str(folders[name]) for name in absent_from(remaining, names))
        raise UserError(f"no image in {without}: add some, or set 'data.classes=[{','.join(remaining)}]'")
    return files


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
