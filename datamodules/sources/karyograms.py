"""Whole karyograms in two folders, normal and abnormal (paper 001, section 3.1.1)."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from common.config.base import FROM_YAML, StrictModel
from common.config.data import SourceConfig
from common.errors import UserError
from common.karyotype import ABNORMAL, NORMAL
from datamodules.manifest.manifest import Listing
from datamodules.sources._files import hint_at_archives, image_files, require_data_dir, sub_folders
from datamodules.sources._registry import SourceContext, source
from datamodules.sources.folder import FolderConfig, list_folder

CLASSES = (NORMAL, ABNORMAL)


class AugmentedConfig(StrictModel):
    """Under protocol=paper: how many images an original becomes before the split, itself among them."""

    normal: Annotated[float, Field(ge=1.0)]
    abnormal: Annotated[float, Field(ge=1.0)]


class KaryogramsConfig(SourceConfig, defaults="data/karyograms"):
    """Whole karyograms in two folders, normal and abnormal."""

    source: Literal["karyograms"]
    subject_regex: str | None = FROM_YAML
    augmented: AugmentedConfig = FROM_YAML


@source(KaryogramsConfig)
def list_karyograms(data: KaryogramsConfig, context: SourceContext) -> Listing:
    """List ``<data_dir>/normal/**/<image>`` and ``<data_dir>/abnormal/**/<image>``.

    As with the folder source the image's id is its path below ``data_dir``, and ``data.subject_regex`` finds the
    subject in the file's name. The positive class is ``abnormal`` unless ``data.positive_class`` says otherwise.

    Raises:
        UserError: The data folder or one of the two is missing or empty, or there are others; or a file's name does
            not match ``data.subject_regex``.
    """
    root = require_data_dir(context.data_dir)
    _check_folders(root)
    positive = data.positive_class or ABNORMAL
    folders = FolderConfig(source="folder", positive_class=positive, subject_regex=data.subject_regex)
    return replace(list_folder(folders, context), source="karyograms")


def _check_folders(root: Path) -> None:
    """Raise where the folders are not just the two: a class that is misspelt would otherwise go unnoticed."""
    found = {folder.name: folder for folder in sub_folders(root)}
    wanted = f"karyograms lie in the folders {' and '.join(CLASSES)}"
    absent = [name for name in CLASSES if name not in found]
    others = [name for name in found if name not in CLASSES]
    if absent:
        if others:
            there = f"there are {', '.join(others)}"
        else:
            there = f"there are none{hint_at_archives(root)}"
        raise UserError(f"{root} has no folder {' and no folder '.join(absent)} ({there}): {wanted}")
    if others:
        raise UserError(f"{root} has other folders too: {', '.join(others)}; {wanted}: move the others away")
    empty = [str(found[name]) for name in CLASSES if not image_files(found[name])]
    if empty:
        raise UserError(f"no image in {' and '.join(empty)}: add some, both classes are needed")
