"""What a run and its evaluation were made from, told without reading images: is there anything left to do?"""

import hashlib
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from common.files import read_whole_json, sha256_of_file, sha256_of_value
from common.paths import ROOT
from common.revision import sha256_of_code
from common.runs.files import RunFile
from common.runs.run import Run

CODE = ("common", "conf", "datamodules", "evaluation", "hydra_plugins", "lightning_modules", "workflows")
CLUSTER = "cluster"  # the key of where a run is trained, which is no part of it
OUTPUT_FOLDERS = ("output_dir", "cache_dir")  # keys of folders that are not inputs
LOCAL_FOLDER = "local-dir:"  # may precede the folder of weights
SIDE_FILE = ".json"  # added to the name of a weights file: its side file
TARGET = "_target_"  # the key of a class of the user's own
UNKNOWN = "unknown"  # a state that is never taken for unchanged


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
        texts = list(_texts(values))
        names = {text.removeprefix(LOCAL_FOLDER) for _, text in texts}
        names |= {name + SIDE_FILE for name in names}
        inputs = {name: _state_of(Path(name).expanduser()) for name in sorted(names) if _exists(name)}
        inputs |= {text: UNKNOWN for key, text in texts if key == TARGET and not _is_covered(text)}
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
            if self.config not in file.read_text(encoding="utf-8"):
                continue  # of an experiment of thousands of runs, one is read as JSON
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


def _texts(values: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield all texts of a configuration but those of ``OUTPUT_FOLDERS``, each with its key."""
    if isinstance(values, str):
        yield name, values
    elif isinstance(values, Mapping):
        for key, value in values.items():
            if key not in OUTPUT_FOLDERS:
                yield from _texts(value, str(key))
    elif isinstance(values, list):
        for value in values:
            yield from _texts(value, name)


def _exists(name: str) -> bool:
    try:
        return Path(name).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # a long text, a null byte, or the home of nobody: no path
        return False


def _is_covered(target: str) -> bool:
    """Whether the code of a class of the user's own is part of ``Origin.code``."""
    top = target.partition(".")[0]
    if top in CODE:
        return True
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return False
    if spec is None or spec.origin is None:
        return False
    file = Path(spec.origin)
    return file.parent == ROOT or file.is_relative_to(sysconfig.get_path("purelib"))


def _state_of(place: Path) -> str:
    """Return the state of a file, or of all files below a folder."""
    if not place.is_dir():
        return _digest([("", *_state(place))])
    states: list[tuple[str | int, ...]] = []
    unread: list[OSError] = []
    for folder, folders, names in os.walk(place, onerror=unread.append):
        if any(Path(folder, name).is_symlink() for name in folders):
            return UNKNOWN
        states += [(f"{folder}/{name}", *_state(Path(folder, name))) for name in names]
    return UNKNOWN if unread else _digest(sorted(states))


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
    """Return a SHA-256 over all code that a training and an evaluation use, modules beside train.py included."""
    installed = _state(Path(sysconfig.get_path("purelib")))[1:]
    beside = {file.name: sha256_of_file(file) for file in ROOT.glob("*.py")}
    return sha256_of_value([sys.version, installed, sha256_of_code(*CODE), beside])
