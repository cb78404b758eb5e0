"""``ensemble.json`` in an ensemble's folder: which runs it was made of, and how it joins them."""

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from common.errors import UserError
from common.files import sha256_of_file, write_json
from common.runs.files import RunFile

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class EnsembleFile:
    """What an ensemble was made of: how its members are joined, and the folders and labels of the runs.

    Attributes:
        combiner: ``Combiner.as_dict()`` of evaluation/averaging.py.
        fitted_on: ``images`` and ``subjects`` (None where unknown) that the weights were fitted on; 0 for none.
        from_here: The members' folders, seen from the ensemble's.
        predictions: SHA-256 of the members' predictions: of another training nothing here holds.
    """

    method: str
    members: tuple[str, ...]
    labels: tuple[str, ...]
    combiner: dict[str, Any]
    fitted_on: dict[str, int | None]
    from_here: tuple[str, ...] = ()
    predictions: tuple[str, ...] = ()


def write_ensemble(folder: Path, ensemble: EnsembleFile) -> None:
    """Write ``ensemble.json``; where the members lie from here and what they predicted is looked up now."""
    here = folder.resolve()
    complete = replace(
        ensemble,
        from_here=tuple(Path(os.path.relpath(Path(run).resolve(), here)).as_posix() for run in ensemble.members),
        predictions=tuple(sha256_of_file(Path(run) / RunFile.PREDICTIONS) for run in ensemble.members),
    )
    write_json(folder / RunFile.ENSEMBLE, {"schema": SCHEMA_VERSION, **asdict(complete)})


def read_ensemble(folder: Path) -> EnsembleFile:
    """Read ``ensemble.json``; a ``UserError`` says that it is missing or damaged, or was written by other code."""
    path = Path(folder) / RunFile.ENSEMBLE
    if not path.is_file():
        raise UserError(f"{folder} is no ensemble: it has no {RunFile.ENSEMBLE}")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        schema = values.pop("schema")
        if schema != SCHEMA_VERSION:
            raise UserError(f"{path} has schema {schema}, this code reads {SCHEMA_VERSION}: make the ensemble again")
        return TypeAdapter(EnsembleFile).validate_python(values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} cannot be read ({reason}): make the ensemble again") from error


def member_folders(folder: Path, ensemble: EnsembleFile) -> list[Path]:
    """Find the members' folders, as they were named or as they lie from the ensemble's, with unchanged predictions."""
    folders = []
    members = zip(ensemble.members, ensemble.from_here, ensemble.predictions, strict=True)
    for member, from_here, sha256 in members:
        places = [Path(member), Path(os.path.normpath(Path(folder) / from_here))]
        existing = [place for place in places if (place / RunFile.PREDICTIONS).is_file()]
        if not existing:
            raise UserError(
                f"{folder}: its member {member} is not there, nor at {places[1]}: move it back, or run the command "
                "where the ensemble was made"
            )
        same = [place for place in existing if sha256_of_file(place / RunFile.PREDICTIONS) == sha256]
        if not same:
            raise UserError(f"{existing[0]} predicts otherwise than when {folder} was made of it: make it again")
        folders.append(same[0])
    return folders
