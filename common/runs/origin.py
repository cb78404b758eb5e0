"""What a run and its evaluation were made from, told without reading images: is there anything left to do?"""

import hashlib
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from common.files import read_whole_json, sha256_of_value
from common.paths import ROOT
from common.runs.files import RunFile
from common.runs.run import Run

CODE = ("common", "conf", "datamodules", "evaluation", "hydra_plugins", "lightning_modules", "workflows")
CODE_SUFFIXES = (".py", ".yaml")
CLUSTER = "cluster"  # the key of where a run is trained, which is no part of it
WRITTEN = ("output_dir", "cache_dir")  # keys of folders that are no input
FORM = "local-dir:"  # may precede the folder of weights
UNKNOWN = "unknown"  # the state of a folder with links to others: never taken for unchanged


@dataclass(frozen=True)
class Origin:
    """What a command trains and evaluates a run from.

    Attributes:
        config: SHA-256 of the composed configuration.
        code: SHA-256 of the code, of Python's version and of the time when a package was last installed or removed.
        inputs: The files and folders that the configuration names, and their states: names, sizes and times of files.
            Weights that timm has downloaded are not among them, and count as unchanged.
    """

    config: str
    code: str
    inputs: dict[str, str]

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Origin":
        """Return the origin of the run with a configuration, given as plain values, before its data are read."""
        places = {text: Path(text.removeprefix(FORM)).expanduser() for text in _texts(values)}
        inputs = {text: _state_of(place) for text, place in sorted(places.items()) if _exists(place)}
        config = sha256_of_value({key: value for key, value in values.items() if key != CLUSTER})
        return cls(config, _code(), inputs)

    def finished_run(self, values: Mapping[str, Any]) -> Run | None:
        """Return the finished run with this origin whose files are as they were after its evaluation; None without one.

        Args:
            values: The configuration, which says where the runs of the experiment are.
        """
        if UNKNOWN in self.inputs.values() or values.get("resume") == "never":
            return None
        experiment = Path(str(values.get("output_dir")), str(values.get("name")))
        for file in sorted(experiment.glob(f"*/seed=*/{RunFile.ORIGIN}")):
            known = read_whole_json(file)
            files = known.pop("files", None)
            if known == asdict(self) and isinstance(files, dict) and _are_unchanged(file.parent, files):
                return Run(file.parent)
        return None

    def write(self, run: Run) -> None:
        """Note the origin of a finished run that was evaluated just now, and the present state of its files."""
        names = [str(file.relative_to(run.folder)) for file in run.folder.rglob("[!.]*") if file.is_file()]
        files = {name: list(_state(run.folder / name)) for name in sorted(names) if name != RunFile.ORIGIN}
        run.write_json(RunFile.ORIGIN, {**asdict(self), "files": files})


def _are_unchanged(folder: Path, files: Mapping[str, Any]) -> bool:
    """Tell whether the files of a run are in the noted states; later ones, such as a report, do not matter."""
    return all(list(_state(folder / name)) == state for name, state in files.items())


def _texts(values: Any) -> Iterator[str]:
    """Yield all texts of a configuration but those of ``WRITTEN``."""
    if isinstance(values, str):
        yield values
    elif isinstance(values, Mapping):
        for key, value in values.items():
            if key not in WRITTEN:
                yield from _texts(value)
    elif isinstance(values, list):
        for value in values:
            yield from _texts(value)


def _exists(place: Path) -> bool:
    try:
        return place.exists()
    except (OSError, ValueError):  # a long text, or one with a null byte, is no path
        return False


def _state_of(place: Path) -> str:
    """Return the state of a file, or of all files below a folder."""
    if not place.is_dir():
        return _digest([("", *_state(place))])
    states: list[tuple[str | int, ...]] = []
    for folder, folders, names in os.walk(place):
        if any(Path(folder, name).is_symlink() for name in folders):
            return UNKNOWN
        states += [(f"{folder}/{name}", *_state(Path(folder, name))) for name in names]
    return _digest(sorted(states))


def _digest(states: list[tuple[str | int, ...]]) -> str:
    # Not as JSON, which is UTF-8: names of files need not be.
    return hashlib.sha256(repr(states).encode()).hexdigest()


def _state(file: Path) -> tuple[int, ...]:
    """Return size and times of a file; () where there is none."""
    try:
        status = file.stat()
    except OSError:
        return ()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _code() -> str:
    """Return a SHA-256 over all code that a training and an evaluation use."""
    installed = _state(Path(sysconfig.get_path("purelib")))[1:]
    digest = hashlib.sha256(f"{sys.version} {installed}".encode())
    for folder in CODE:
        for file in sorted((ROOT / folder).rglob("*")):
            if file.suffix in CODE_SUFFIXES:
                digest.update(f"{file.relative_to(ROOT)}\n".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()
