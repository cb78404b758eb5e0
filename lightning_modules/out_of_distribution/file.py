"""The file of a run that new images are compared with."""

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from common.errors import UserError
from common.files import atomic_path
from common.runs.files import RunFile
from common.runs.run import Run
from lightning_modules.out_of_distribution.distance import Distances, OutOfDistribution, needed_images

ADD = "python scripts/out_of_distribution {run}"  # the command that adds the file to a run


def save_distances(run: Run, distances: Distances, validation: np.ndarray) -> None:
    """Write the distances, and what they are of the validation images, float32, shape (N, 2)."""
    tensors = {name: getattr(distances, name).contiguous().cpu() for name in Distances.NAMES}
    tensors["validation"] = torch.from_numpy(np.ascontiguousarray(validation))
    with atomic_path(run.path(RunFile.OUT_OF_DISTRIBUTION)) as temporary:
        # save_file would make a file that only its owner can read.
        temporary.write_bytes(save(tensors))


def load_out_of_distribution(run: Run, share: float) -> OutOfDistribution | None:
    """Return the score of a run; None where there is a ``refusal``.

    Args:
        run: A finished run.
        share: See ``OutOfDistribution``.

    Raises:
        UserError: The file is damaged.
    """
    if refusal(run, share):
        return None
    tensors = _read(run)
    return OutOfDistribution(Distances(tensors), tensors["validation"].numpy(), share)


def refusal(run: Run, share: float) -> str | None:
    """Return why it is not known which images are out of distribution, as a sentence; None where it is.

    Raises:
        UserError: The file is damaged.
    """
    if not run.has(RunFile.OUT_OF_DISTRIBUTION):
        return f"images that are out of distribution are not marked: {ADD.format(run=run.folder)} adds what it needs"
    count = len(_read(run)["validation"])
    if count < needed_images(share):
        return (
            f"images that are out of distribution are not marked: {run.folder} has too few validation images, "
            f"{count:,}; a share of {share:.2g} needs {needed_images(share):,}: train with a larger split.validation"
        )
    return None


def _read(run: Run) -> dict[str, torch.Tensor]:
    path = run.path(RunFile.OUT_OF_DISTRIBUTION)
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise UserError(f"{path} is damaged: remove it, then {ADD.format(run=run.folder)}") from error
    if not tensors.keys() >= {*Distances.NAMES, "validation"}:
        raise UserError(f"{path} lacks a tensor: remove it, then {ADD.format(run=run.folder)}")
    return tensors
