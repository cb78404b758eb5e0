"""Anyone's images: one sub-folder per class."""

import re
from pathlib import Path
from typing import Literal

from common.config.base import FROM_YAML
from common.config.data import SourceConfig
from common.errors import UserError
from datamodules.manifest.manifest import Listing, Record, order_classes
from datamodules.sources._files import (
    compile_group,
    group_in_name,
    hint_at_archives,
    image_files,
    is_image,
    require_data_dir,
    sub_folders,
)
from datamodules.sources._registry import SourceContext, source


class FolderConfig(SourceConfig, defaults="data/folder"):
    """One sub-folder per class."""

    source: Literal["folder"]
    classes: tuple[str, ...] | None = FROM_YAML
    subject_regex: str | None = FROM_YAML


@source(FolderConfig)
def list_folder(data: FolderConfig, context: SourceContext) -> Listing:
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
    pattern = compile_group(data.subject_regex, "data.subject_regex", "subject")
    records = []
    for name, folder in folders.items():
        files = image_files(folder)
        if not files:
            raise UserError(f"class {name} has no image in {folder}: add some, or name the others in data.classes")
        records += [_record(path, root, name, pattern) for path in files]
    return Listing(tuple(records), root, classes, data.positive_class, "folder", _notes(root))


def _class_folders(root: Path, classes: tuple[str, ...] | None) -> dict[str, Path]:
    found = {folder.name: folder for folder in sub_folders(root)}
    if not found:
        raise UserError(f"{root} has no class folders{hint_at_archives(root)}: data_dir=<folder with one per class>")
    if classes is None:
        return found
    absent = [name for name in classes if name not in found]
    if absent:
        raise UserError(f"data.classes: no folder {', '.join(absent)} in {root}; there are: {', '.join(found)}")
    return {name: found[name] for name in classes}


def _record(path: Path, root: Path, name: str, pattern: re.Pattern[str] | None) -> Record:
    below = path.relative_to(root).as_posix()
    subject = None if pattern is None else group_in_name(path, pattern, "data.subject_regex", "subject")
    return Record(below, below, name, subject)


def _notes(root: Path) -> tuple[str, ...]:
    loose = [entry.name for entry in root.iterdir() if entry.is_file() and is_image(entry.name)]
    if loose:
        return (f"{len(loose):,} images beside the class folders of {root.name} left out",)
    return ()
