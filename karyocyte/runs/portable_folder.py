"""The folder of a portable model: description, weights and distances of each member; never a pickle."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from karyocyte.common.checksums import Checksums
from karyocyte.common.errors import UserError
from karyocyte.common.files import read_whole_json
from karyocyte.runs.files import PortableFile

FORMAT = 2
# What ends the names of the files of a member.
WEIGHTS = ".safetensors"
DISTANCES = ".out_of_distribution.safetensors"
REMEDY = "export it again with scripts/export.py; a model of this repository is restored by git checkout models"


@dataclass(frozen=True, kw_only=True)
class BackboneFacts:
    """The backbone that weights are loaded into, and the images that it takes."""

    name: str  # timm's name of the backbone, or that of a network of the papers
    args: dict[str, Any]  # its further arguments
    cut: str | None  # the module that it ends with; None for the whole network
    mean: tuple[float, ...]  # of the channels, shape (3,), which images in [0, 1] are normalised with
    std: tuple[float, ...]  # their standard deviations, shape (3,)


@dataclass(frozen=True, kw_only=True)
class NetworkFacts(BackboneFacts):
    """What the weights of a member of a classifier are loaded into."""

    head: tuple[str | dict[str, Any], ...]  # the layers of the head, as ``head.layers`` of conf/train.yaml
    logits: int  # outputs of the head: per orientation one per class, or one for two classes
    orientation: bool  # whether it has two outputs per class, upright and upside down


def kind_of(folder: Path) -> str | None:
    """Return the kind of the portable model in a folder, such as "classifier"; None where there is none."""
    return read_whole_json(Path(folder) / PortableFile.MODEL).get("kind")


@dataclass(frozen=True)
class PortableFolder:
    """The files of a portable model; a ``UserError`` names what is missing or damaged."""

    folder: Path

    @staticmethod
    def is_portable(folder: Path) -> bool:
        """Tell whether a folder holds a portable classifier."""
        return kind_of(folder) == "classifier"

    @cached_property
    def checksums(self) -> Checksums:
        """The list of its files."""
        return Checksums(self.folder, PortableFile.MODEL, REMEDY)

    def file(self, member: int, suffix: str) -> Path:
        """Return the path of a member's WEIGHTS or DISTANCES, whether it exists or not."""
        return self.folder / f"member{member + 1}{suffix}"

    def checked_file(self, member: int, suffix: str) -> Path:
        """Return the path of a member's file, whose content is what was exported."""
        return self.checked(self.file(member, suffix))

    def checked(self, path: Path) -> Path:
        """Return the path of a file of the folder, whose content is what was exported; it must be there."""
        self.checksums.checked(path.name)
        if not path.is_file():
            raise UserError(f"{path} is missing: {REMEDY}")
        return path
