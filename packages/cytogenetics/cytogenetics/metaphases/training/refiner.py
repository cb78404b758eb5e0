"""The recipe of a refiner's training: find the proposals of detectors, build, fit, predict, evaluate."""

from collections.abc import Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.special import expit
from torch import nn

from cytogenetics.config.networks import RefinerConfig
from cytogenetics.metaphases.box_finder import BoxFinder, logits_of
from cytogenetics.metaphases.data.proposals import ProposalDataModule, Proposed
from cytogenetics.metaphases.networks.detector import LEVELS
from cytogenetics.metaphases.networks.refiner import moved_boxes
from cytogenetics.metaphases.training.steps import Found, build_network, fit_and_predict, keep_results
from cytogenetics.metaphases.training.train import SIDES, Detected, calibrate
from cytogenetics.trained.pictures import BUILT_IN_DETECTORS
from datamodules.io.decode import read_image
from datamodules.io.progress import progress_bar
from datamodules.split_datamodule import SplitDataModule
from karyocyte.common.errors import UserError
from karyocyte.common.files import atomic_path, sha256_of_value
from karyocyte.evaluation.intervals.by_case import by_case
from karyocyte.recipes.recipe import Built, Recipe
from lightning_modules.build.build import InitialisedBackbone
from lightning_modules.support.distributed import rank_zero_first

PROPOSALS = "proposals.parquet"  # of the validation and test pictures, and what is said of them
RESULTS = "refinement.csv"
MOVED = [f"moved_{side}" for side in SIDES]
PROPOSALS_VERSION = 1  # of the code that finds and joins them
FAINT = 0.3  # of the weights of the channels of boxes, at first
EVIDENCE = ["detectors", "best", "overlap"]  # logits
WORDS = {
    "refined_ap50": "average precision at IoU 0.5, refined",
    "detectors_ap50": "average precision at IoU 0.5, detectors alone",
    "refined_ap75": "average precision at IoU 0.75, refined",
    "detectors_ap75": "average precision at IoU 0.75, detectors alone",
}


def build_refiner(config: RefinerConfig, data: SplitDataModule, first: InitialisedBackbone) -> Built:
    """Find the proposals of the pictures and build the refiner of a run with its first weights.

    It is returned with the hashes of what these are.

    Raises:
        UserError: ``detector`` is none, the network no ResNet, or the monitored metric is not of a refiner.
    """
    assert isinstance(data, ProposalDataModule)
    folders = [Path(config.detector)] if config.detector else BUILT_IN_DETECTORS
    with rank_zero_first():
        finder = BoxFinder.load(folders, None)
        digests = [_digest(detector) for detector in finder.detectors]
        data.proposals = proposals_of(data, finder, digests)
    _show_the_picture(first.backbone.module)
    model, hashes = build_network(config, data, first)
    return model, {**hashes, "detector": sha256_of_value([PROPOSALS_VERSION, finder.scales, digests])}


def _show_the_picture(network: nn.Module) -> None:
    """Let the first layer see the picture, which is gray, as colours, and the channels of boxes faintly."""
    try:
        weight = network.get_parameter("conv1.weight")
    except AttributeError as error:
        raise UserError(f"a refiner needs a ResNet: set model=resnet18 ({error})") from error
    with torch.no_grad():
        weight[:, 0] = weight.sum(dim=1)
        weight[:, 1:] *= FAINT


def proposals_of(data: ProposalDataModule, finder: BoxFinder, digests: Sequence[str]) -> dict[int, list[Proposed]]:
    """Return what is found in each picture that is used, see `ProposalDataModule`; it is kept in the cache.

    ``digests`` are those of the detectors.
    """
    rows = np.flatnonzero(data.parts != "unused").tolist()
    key = sha256_of_value([PROPOSALS_VERSION, data.content_hash(), rows, finder.scales, list(digests)])
    file = data.cache_dir / "proposals" / f"{key}.parquet"
    if not file.is_file():
        table = _find_proposals(data, finder, rows)
        with atomic_path(file) as path:
            table.to_parquet(path, index=False)
    found: dict[int, list[Proposed]] = {}
    for (row, _), of_way in pd.read_parquet(file).groupby(["row", "way"]):
        kept = of_way[of_way["score"] > 0]
        found.setdefault(row, []).append((kept[SIDES].to_numpy(), kept["score"].to_numpy()))
    return found


def _digest(network: nn.Module) -> str:
    """Return a SHA-256 over the weights of a network."""
    digest = sha256()
    for weights in network.state_dict().values():
        digest.update(weights.cpu().numpy().tobytes())
    return digest.hexdigest()


def _find_proposals(data: ProposalDataModule, finder: BoxFinder, rows: Sequence[int]) -> pd.DataFrame:
    """Return a row per proposal: SIDES, ``score``, and ``row`` and ``way``; and one of score 0 for each way."""
    tables = []
    with progress_bar(len(rows), f"finding proposals in {len(rows):,} pictures", data.progress) as advance:
        for row in rows:
            for way, (boxes, scores) in enumerate(finder.proposals(read_image(data.manifest.file(row)))):
                table = pd.DataFrame(np.vstack([boxes, np.zeros(4)]), columns=SIDES, dtype=np.float32)
                tables.append(table.assign(score=np.append(scores, np.float32(0)), row=row, way=way))
            advance()
    return pd.concat(tables, ignore_index=True)


def write_proposals(found: Found, config: RefinerConfig, folder: Path) -> None:
    """Write a row per proposal: SIDES, ``moved_`` SIDES, ``row``, ``score``, whether it is ``true``, and EVIDENCE.

    They are in the order of ``row``: a picture may have none, see `interleaved`.
    """
    moved = moved_boxes(found["box"], found["refined_offsets"], found["side"])
    frame = pd.DataFrame(np.hstack([found["box"], moved]), columns=[*SIDES, *MOVED]).assign(
        row=found["index"],
        score=found["score"],
        true=found["best"] > 0,
        detectors=logits_of(found["score"]),
        best=found["refined_best"],
        overlap=found["refined_overlap"],
    )
    frame.sort_values("row", kind="stable").to_parquet(folder / PROPOSALS, index=False)


def report_proposals(folder: Path, config: RefinerConfig, data: SplitDataModule) -> None:
    """Evaluate the boxes of a finished run on its test pictures, print the table and keep it."""
    found = pd.read_parquet(folder / PROPOSALS)
    validation = found[(data.parts == "validation").to_numpy()[found["row"]]]
    calibration = calibrate(validation[EVIDENCE].to_numpy(np.float64), validation["true"].to_numpy())
    *slopes, intercept = calibration
    refined = found[["row", *MOVED]].set_axis(["row", *SIDES], axis=1)
    refined = refined.assign(score=expit(found[EVIDENCE] @ slopes + intercept))
    boxes = {"detectors": found[["row", *SIDES, "score"]], "refined": refined}
    detected = {name: Detected.of(table, data.manifest.frame, data.parts, "test") for name, table in boxes.items()}
    cases = detected["refined"].pictures["case"]

    def measure(kept: np.ndarray) -> dict[str, float]:
        """Return the average precisions of the pictures that are kept."""
        return {f"{name}_{level}": one.measure(kept, 0.5)[level] for name, one in detected.items() for level in LEVELS}

    results = by_case(measure, cases, config.evaluation.confidence)
    keep_results(folder / RESULTS, results, "Boxes of the test pictures, refined", WORDS, calibration)


REFINING = Recipe(ProposalDataModule, build_refiner, partial(fit_and_predict, write=write_proposals), report_proposals)
