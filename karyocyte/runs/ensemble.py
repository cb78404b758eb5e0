"""``ensemble.json`` in an ensemble's folder: which runs it was made of, and how it joins them."""

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from karyocyte.common.errors import UserError
from karyocyte.common.files import sha256_of_file, write_json
from karyocyte.common.paths import without_machine
from karyocyte.runs.files import RunFile

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class EnsembleFile:
    """What an ensemble was made of: how its members are joined, and the folders and labels of the runs."""

    method: str
    members: tuple[str, ...]
    labels: tuple[str, ...]
    combiner: dict[str, Any]  # ``Combiner.as_dict()`` of karyocyte/evaluation/pooling/averaging.py
    from_here: tuple[str, ...] = ()  # the members' folders, seen from the ensemble's
    predictions: tuple[str, ...] = ()  # SHA-256 of the members' predictions, in an export of their weights


def write_ensemble(folder: Path, ensemble: EnsembleFile) -> None:
    """Write ``ensemble.json``; where the members lie from here and what they predicted is looked up now."""
    here = folder.resolve()
    runs = list(map(Path, ensemble.members))
    from_here = [Path(os.path.relpath(run.resolve(), here)).as_posix() for run in runs]
    predictions = [sha256_of_file(_telling(run)) for run in runs]
    members = tuple(map(without_machine, runs))  # those of absolute paths: from here
    complete = replace(ensemble, members=members, from_here=tuple(from_here), predictions=tuple(predictions))
    write_json(folder / RunFile.ENSEMBLE, {"schema": SCHEMA_VERSION, **asdict(complete)})


def member_folders(folder: Path, ensemble: EnsembleFile) -> list[Path]:
    """Find the members' folders as they lie from the ensemble's, with unchanged predictions."""
    places = [Path(os.path.normpath(Path(folder) / member)) for member in ensemble.from_here]
    for place, sha256 in zip(places, ensemble.predictions, strict=True):
        file = _telling(place)
        if not file.is_file():
            raise UserError(f"{folder}: its member {place} is not there: move it back, or make the ensemble again")
        if sha256_of_file(file) != sha256:
            again = "export it again" if file.name == RunFile.WEIGHTS else "make the ensemble again"
            raise UserError(f"{folder}: its member {place} predicts otherwise now: {again}")
    return places


def _telling(member: Path) -> Path:
    """Return the file that tells a member from all others: its predictions, which an export does not have."""
    weights = member / RunFile.WEIGHTS
    return weights if weights.is_file() else member / RunFile.PREDICTIONS
