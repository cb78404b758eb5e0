"""The commands that are killed, and what each must leave in the end."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import pyarrow.parquet as pq
import torch
from PIL import Image

from benchmarks.faults.inputs import CELLS, TINY, Inputs, call_app, call_train
from common.files import sha256_of_file

CHUNK = 60  # images of a part of predict


@dataclass(frozen=True)
class Command:
    """A command line whose outputs are all below one folder.

    Attributes:
        name: Of the script.
        run: Calls it in this process, with the folder of its outputs.
        result: Digests by name of what it has made, of those files that do not tell the time.
    """

    name: str
    run: Callable[[Path], None]
    result: Callable[[Path], dict[str, str]]


def commands(inputs: Inputs) -> list[Command]:
    """Return the commands that end by themselves."""
    return [
        Command("prepare", _prepare, lambda folder: _digests(folder / "cache", "prepared/**/*")),
        Command("train", _train, _train_result),
        Command("predict", lambda folder: _predict(inputs, folder), lambda folder: _digests(folder, "p.[cp]*")),
        Command("karyotype", lambda folder: _karyotype(inputs, folder), lambda folder: _digests(folder, "out/**/*")),
        Command("export", lambda folder: _export(inputs, folder), lambda folder: _digests(folder, "model/member*")),
    ]


def _prepare(folder: Path) -> None:
    from scripts.prepare_data import app

    call_app(app, *TINY, *CELLS, f"output_dir={folder / 'outputs'}", f"cache_dir={folder / 'cache'}")


def _train(folder: Path) -> None:
    # Pictures of the results take most of the time, and are files like the others.
    with patch("evaluation.evaluate.draw_figures"), patch("workflows.train.galleries"):
        call_train([*TINY, *CELLS, f"output_dir={folder / 'outputs'}", f"cache_dir={folder / 'cache'}"])


def _train_result(folder: Path) -> dict[str, str]:
    (run,) = (file.parent for file in folder.glob("outputs/cells/*/*/status.json"))
    (best,) = run.glob("checkpoints/*/best.ckpt")
    weights = torch.load(best, weights_only=True)["state_dict"]
    content = b"".join(values.numpy().tobytes() for values in weights.values())
    predictions = pd.read_parquet(run / "predictions.parquet").to_csv()
    status = json.loads((run / "status.json").read_text())["status"]
    return {"weights": _digest(content), "predictions": _digest(predictions.encode()), "status": status}


def _predict(inputs: Inputs, folder: Path) -> None:
    from scripts.predict import app

    call_app(app, inputs.run, inputs.images, "--output", folder / "p.csv")


def _karyotype(inputs: Inputs, folder: Path) -> None:
    from scripts.karyotype import app

    call_app(app, inputs.chromosome_run, inputs.cells, "--output", folder / "out")


def _export(inputs: Inputs, folder: Path) -> None:
    from scripts.portable.export import app

    call_app(app, inputs.run, "--output", folder / "model")


def _digests(folder: Path, pattern: str) -> dict[str, str]:
    """Return the digests of the files that match, by their path below the folder; of a folder "" alone."""
    files = [path for path in sorted(folder.glob(pattern)) if path.is_file() and not path.name.startswith(".")]
    return {str(path.relative_to(folder)): sha256_of_file(path) for path in files if path.suffix != ".lock"}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def broken_files(folder: Path) -> list[Path]:
    """Return the files below a folder that are not whole; those that are being written have hidden names."""
    broken = []
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden and not _is_whole(path):
            broken.append(path)
    return broken


def _is_whole(path: Path) -> bool:
    read = _READERS.get(path.suffix)
    if read is None:
        return True
    try:
        read(path)
    except Exception:  # readers raise many kinds
        return False
    return True


def _read_image(path: Path) -> None:
    with Image.open(path) as image:
        image.load()


def _read_page(path: Path) -> None:
    if not path.read_text().rstrip().endswith("</html>"):
        raise ValueError("cut short")


_READERS: dict[str, Callable[[Path], Any]] = {
    ".json": lambda path: json.loads(path.read_text()),
    ".csv": pd.read_csv,
    ".parquet": pq.read_table,
    ".png": _read_image,
    ".html": _read_page,
    ".ckpt": lambda path: torch.load(path, weights_only=False),
}
