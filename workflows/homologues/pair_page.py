"""A page of notable test pairs of a run that compares homologues (scripts/explain.py pairs)."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch

from common.cli import console, say
from common.files import write_csv
from datamodules.homologues.pair_datamodule import PairDataModule
from datamodules.homologues.pair_picture import draw_comparison
from datamodules.io.progress import progress_bar
from evaluation.homologues.items import PairItems
from evaluation.homologues.notable import PairGroup, notable_pairs
from evaluation.report.pairs import PairsPageFacts, write_pairs_page
from lightning_modules.load import load_pairs
from lightning_modules.networks.row_alignment import align
from lightning_modules.pair_classifier import PairClassifier
from lightning_modules.trainer import set_up_torch
from workflows.homologues.items import open_data
from workflows.homologues.request import PairPageRequest

BATCH = 8


def write_notable_pairs(request: PairPageRequest) -> None:
    """Write index.html and index.csv, a row per pair of the page.

    Raises:
        UserError: The run has no normal validation pairs, or its images are missing or others.
    """
    set_up_torch()
    run = request.opened
    pairs = run.pairs
    assert pairs is not None
    groups = notable_pairs(PairItems.of([run.predictions], [pairs]), request.count)
    model = load_pairs(run.folder)
    data = open_data(run, request.data_dir)
    say(f"straightening {len(data.chromosomes.manifest.frame):,} chromosomes")
    pictures = draw_groups(model, data, groups)
    request.output.mkdir(parents=True, exist_ok=True)
    write_csv(request.output / "index.csv", index_of(groups), "%.5f")
    facts = PairsPageFacts("Pairs of homologues of the test part", f"{run.config.name}: {run.folder}")
    write_pairs_page(request.output / "index.html", groups, pictures, facts)
    say(f"{sum(map(len, pictures)):,} pairs in {request.output / 'index.html'}")


def index_of(groups: list[PairGroup]) -> pd.DataFrame:
    """Return the pairs of groups, by ``group`` and ``rank``."""
    tables = []
    for group in groups:
        table = group.pairs.copy()
        table.insert(0, "group", group.name)
        table.insert(1, "rank", np.arange(1, len(table) + 1))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def draw_groups(model: PairClassifier, data: PairDataModule, groups: list[PairGroup]) -> list[list[np.ndarray]]:
    """Return a picture of each pair of each group, uint8 RGB."""
    number = pd.Index(data.manifest.frame["image_id"])
    _ = data.maker  # straightens the chromosomes, which is no part of the bar
    with progress_bar(sum(len(group.pairs) for group in groups), "drawing", console.is_terminal) as advance:
        return [_draw(model, data, number.get_indexer(group.pairs["image_id"]), advance) for group in groups]


def _draw(
    model: PairClassifier, data: PairDataModule, items: np.ndarray, advance: Callable[[], None]
) -> list[np.ndarray]:
    pictures = []
    for start in range(0, len(items), BATCH):
        batch = data.pictures(items[start : start + BATCH])
        with torch.inference_mode():
            place = torch.sigmoid(model.compare(batch.image, batch.chromosome).place)
        aligned = align(batch.image).warped[:, 0]
        for both, second, truth, found in zip(batch.image, aligned, batch.place, place, strict=True):
            pictures.append(draw_comparison(both.numpy(), second.numpy(), truth.numpy(), found.numpy()))
            advance()
    return pictures
