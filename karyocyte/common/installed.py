"""What installed packages bring along: entry points ``karyocyte.<kind>``, and files like those of conf/."""

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from karyocyte.common.paths import CONF


@cache
def entries(kind: str) -> dict[str, EntryPoint]:
    """Return the entry points of a kind by their names, in the order of these; none is loaded."""
    found = sorted(entry_points(group=f"karyocyte.{kind}"), key=lambda entry: entry.name)
    return {entry.name: entry for entry in found}


def loaded(kind: str) -> dict[str, Any]:
    """Load all entry points of a kind; return what they name by their names."""
    return {name: entry.load() for name, entry in entries(kind).items()}


def run_keys() -> tuple[str, ...]:
    """Return the keys that name a finished run: ``init_from``, and each kind of network that another builds on."""
    return ("init_from", *entries("kinds"))


def conf_folders() -> list[Path]:
    """Return conf/ and the folders like it that installed packages have; a file of an earlier one counts."""
    return [CONF, *loaded("conf").values()]


def conf_file(name: str) -> Path:
    """Return the path of a file of conf/, such as ``"data/cnmc"``, or of such a folder."""
    paths = (folder / f"{name}.yaml" for folder in conf_folders())
    return next(filter(Path.is_file, paths), CONF / f"{name}.yaml")


def conf_groups() -> list[str]:
    """Return the names of the groups of conf/, and of such folders, without Hydra's own."""
    inside = [path for folder in conf_folders() for path in folder.iterdir()]
    return sorted({path.name for path in inside if path.is_dir()} - {"hydra"})


def conf_files(group: str) -> list[Path]:
    """Return the files of a group of conf/, such as ``"data"``, and of such folders, by their names."""
    files = [file for folder in conf_folders() for file in (folder / group).glob("*.yaml")]
    return sorted(files, key=lambda file: file.stem)
