"""The list of an artefact's files: what is read is what was written.

A finished run, a portable model and the output of scripts/karyotype.py hold ``checksums.json``, the SHA-256 of their
files. A file that was changed or is missing is an error, unless the command line has ``--accept-changes``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from karyocyte.common.cli import warn
from karyocyte.common.errors import UserError
from karyocyte.common.files import read_json, sha256_of_file, write_json

FILE = "checksums.json"
OPTION = "--accept-changes"
HELP = "Use and record files of runs, models and outputs that were changed after they were written."


@dataclass(frozen=True)
class Checksums:
    """The list in the folder of an artefact.

    ``first`` is the file that tells the artefact from all others: it is compared before every other file, so that the
    list of another artefact does not fit. ``accepting``: whether this process accepts what was changed.
    """

    accepting: ClassVar[bool] = False

    folder: Path
    first: str
    remedy: str

    def write(self, names: Iterable[str]) -> None:
        """Record those of some files that are there, by their paths in the folder, in place of all recorded ones."""
        present = [name for name in sorted({self.first, *names}) if (self.folder / name).is_file()]
        self._write({name: sha256_of_file(self.folder / name) for name in present})

    def add(self, name: str) -> None:
        """Record a file that was written again, beside what others have recorded since."""
        self.__dict__.pop("listed", None)
        self._write({**self.listed, name: sha256_of_file(self.folder / name)})

    @cached_property
    def listed(self) -> Mapping[str, str]:
        """The SHA-256 of the files by their paths in the folder; empty without the list."""
        path = self.folder / FILE
        values = read_json(path) if path.is_file() else {}
        if not isinstance(values, dict):
            raise UserError(f"{path} is damaged: {self.remedy}")
        return values

    def checked(self, name: str) -> Path:
        """Return the path of a file; a ``UserError`` says that it is not the file that was recorded."""
        for each in dict.fromkeys((self.first, name)):
            fault = self._fault(each)
            if not fault:
                continue
            path = self.folder / each
            if not self.accepting or not path.is_file():
                raise UserError(f"{path} {fault}: {self.remedy}; if that is on purpose, add {OPTION}")
            warn(f"{path} {fault}: it is used as it is now, and recorded")
            self.add(each)
        return self.folder / name

    def _fault(self, name: str) -> str:
        path = self.folder / name
        if name not in self.listed:
            return f"is not listed in {FILE}" if path.is_file() else ""
        if not path.is_file():
            return "is missing"
        if sha256_of_file(path) != self.listed[name]:
            return "was changed since it was written, or is damaged"
        return ""

    def _write(self, listed: Mapping[str, str]) -> None:
        write_json(self.folder / FILE, listed)
        self.__dict__["listed"] = listed
