"""Your own images: one sub-folder per class; and whole karyograms in two of them (paper 001, section 3.1.1)."""

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain, combinations
from pathlib import Path

from datamodules.io.progress import progress_bar
from datamodules.manifest.manifest import Manifest, absent_from, manifest_frame, order_classes
from datamodules.manifest.splits import PART_NAMES, TRAIN_NAMES, is_called
from datamodules.sources import SourceContext, source
from datamodules.sources.listing import data_folder, image_names, name_parser, packed_in, sub_folders
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import ABNORMAL, NORMAL
from karyocyte.config.overrides import typed_names
from karyocyte.config.sources import FolderConfig, KaryogramsConfig

_MASKS = {
    "mask", "masks", "label", "labels",
    "annotation", "annotations", "segmentation", "segmentations", "groundtruth", "ground_truth", "gt",
}  # fmt: skip
_MASK_FILE = re.compile(r".+[_-](masks?|seg|segmentation|gt|groundtruth)")


@source(FolderConfig)
def list_folder(data: FolderConfig, context: SourceContext) -> Manifest:
    """List ``<data_dir>/<class>/**/<image>``; the image's id is its path below ``data_dir``.

    ``data.classes`` picks class folders (and orders them, where there are more than two). ``data.subject_regex`` is
    searched in the file's name; the group named ``subject``, or else the first, is the subject.

    Folders that are all named as parts (train, val, test) are given parts, with the class folders in them, or in a lone
    folder of such a name (train/train).

    Raises:
        UserError: The folder is missing or empty, has no class folders, or some that are no classes; a class has no
            image, the positive class is not said, or a file's name does not match ``data.subject_regex``.
    """
    root = data_folder(context)
    parse_subject = name_parser(data.subject_regex, "data.subject_regex", "subject")
    places = _places(root, data, context)
    folders = {part: _class_folders(place, data.classes, context) for part, place in places.items()}
    names = set().union(*folders.values())
    if len(names) == 2:
        order_classes(names, data.positive_class)  # what the command line lacks is said before many files are listed
    rows: list[dict[str, str | None]] = []
    for part, of_classes in folders.items():
        for folder, files in _files_of_classes(root, of_classes, context).items():
            above = folder.relative_to(root).as_posix()
            for file in files:
                facts = {"label": folder.name, "subject": parse_subject(file), "part": part}
                rows.append({"image_id": f"{above}/{file}", "path": f"{above}/{file}", **facts})
    frame = manifest_frame(rows)
    classes = order_classes(set(frame["label"]), data.positive_class)
    # Of two classes the positive one is the last, whatever order is typed.
    if data.classes and len(classes) > 2:
        classes = data.classes
    return Manifest(frame, root, classes, data.positive_class, data.source, _notes_of_masks(frame["path"]))


def _notes_of_masks(paths: Iterable[str]) -> tuple[str, ...]:
    """Return a line where images of a class, or folders that they lie in, are named as masks are."""
    masks = 0
    for path in paths:
        _, *folders, file = path.casefold().split("/")
        masks += not _MASKS.isdisjoint(folders) or bool(_MASK_FILE.fullmatch(file.rpartition(".")[0]))
    return (f"{masks:,} images are named as masks are, or their folders: move them away if they are",) * bool(masks)


def _places(root: Path, data: FolderConfig, context: SourceContext) -> dict[str | None, Path]:
    """Return the folder with the classes of each part; of None where there are no parts."""
    parts = _part_folders(root, context.follow_links) if data.classes is None else []
    places: dict[str | None, Path] = {part.name: _folder_of_classes(part, context.follow_links) for part in parts}
    return places or {None: root}


def _part_folders(root: Path, follow_links: bool) -> list[Path]:
    """Return the folders in ``root`` where each is named as a part, such as train and val; none where none is.

    Raises:
        UserError: Only some of them are.
    """
    names = [folder.name for folder in sub_folders(root, follow_links)]
    parts = [name for name in names if is_called(name, PART_NAMES)]
    # One such word may be in the name of a class, and nothing is learnt without a training part.
    if len(parts) < 2 or not any(is_called(name, TRAIN_NAMES) for name in parts):
        return []
    if others := absent_from(parts, names):
        found = f"{root}: {', '.join(parts)} are parts by their names, {', '.join(others)} is not"
        raise UserError(f"{found}: move it away, or {typed_names('data.classes', names)} if all are classes")
    return [root / name for name in parts]


def _folder_of_classes(part: Path, follow_links: bool) -> Path:
    """Return the folder that holds the class folders of a part: itself, or a lone folder in it (train/train).

    Raises:
        UserError: There are no class folders.
    """
    inner = sub_folders(part, follow_links)
    if not inner:
        others = [shlex.quote(f"data_dir={other}") for other in sub_folders(part.parent) if sub_folders(other)]
        remedy = f"move it away, or use one part, {others[0]}" if others else "data_dir=<folder with one per class>"
        raise UserError(f"{part} has no class folders: {remedy}")
    if len(inner) == 1 and is_called(inner[0].name, {*PART_NAMES, "data", "images"}):
        return _folder_of_classes(inner[0], follow_links)
    return part


def _class_folders(root: Path, classes: tuple[str, ...] | None, context: SourceContext) -> dict[str, Path]:
    """The folders of the classes, or all folders, by name."""
    folders = {folder.name: folder for folder in sub_folders(root, context.follow_links)}
    if not folders:
        raise UserError(f"{root} has no class folders{packed_in(root)}: data_dir=<folder with one per class>")
    # Folders that are named one by one are meant as classes, whatever they look like.
    if classes is None:
        _check_folders(root, folders)
    names = classes or tuple(folders)
    absent = absent_from(folders, names)
    if absent:
        there = typed_names("data.classes", list(folders))
        raise UserError(f"data.classes: no folder {', '.join(absent)} in {root}; these are there: `{there}`")
    return {name: folders[name] for name in names}


def _files_of_classes(root: Path, folders: Mapping[str, Path], context: SourceContext) -> dict[Path, list[str]]:
    """The images of each folder of a class, by their paths below it; each has one or more."""
    files = {}
    with progress_bar(None, f"listing {root}", context.progress) as advance:
        for folder in folders.values():
            files[folder] = image_names(folder, context.follow_links)
            advance(len(files[folder]))
    if without := [str(folder) for folder in files if not files[folder]]:
        remaining = typed_names("data.classes", [folder.name for folder in files if files[folder]])
        raise UserError(f"no image in {', '.join(without)}: add some (links: follow_links=true), or set {remaining}")
    return files


def _check_folders(root: Path, folders: Mapping[str, Path]) -> None:
    """Refuse folders that hold masks, or that share the names of folders: those may be the classes."""
    remedy = f"{typed_names('data.classes', list(folders))} if these are the classes"
    masks = [name for name in folders if name.casefold() in _MASKS]
    if masks:
        raise UserError(f"{root}: {', '.join(masks)} is the name of a folder of masks, not of a class: {remedy}")
    inner = [tuple(folder.name for folder in sub_folders(path)) for path in folders.values()]
    if len(folders) == 1 and inner[0]:
        lone = shlex.quote(f"data_dir={root / min(folders)}")
        raise UserError(f"{root} has one folder, {min(folders)}, which holds {', '.join(inner[0])}: {lone}")
    if shared := _shared_names(inner):
        found = f"{root}: the folders {', '.join(folders)} share the names of their folders ({', '.join(shared)})"
        one = shlex.quote(f"data_dir={root / min(folders)}")
        raise UserError(f"{found}, which may be the classes: {one}, or {remedy}")


def _shared_names(inner: Sequence[Sequence[str]]) -> list[str]:
    """Return the names that folders hold together, if any two share half of the fewer: one may lack a rare class."""
    if not all(inner) or len({*chain(*inner)}) < 2:
        return []
    for one, other in combinations(map(set, inner), 2):
        if 2 * len(one & other) < min(len(one), len(other)):
            return []
    counts = Counter(chain(*inner))
    return [name for name, count in counts.items() if count > 1]


@source(KaryogramsConfig)
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
        there = ", ".join(sorted(names)) or f"none{packed_in(root)}"
        raise UserError(f"karyograms lie in the folders {NORMAL} and {ABNORMAL}; the folders in {root}: {there}")
    positive = data.positive_class or ABNORMAL
    as_folders = FolderConfig(source="folder", positive_class=positive, subject_regex=data.subject_regex)
    return replace(list_folder(as_folders, context), source=data.source)
