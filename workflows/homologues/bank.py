"""Single chromosomes without homologues, compared with a bank of normal ones (scripts/evaluate.py --on)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from common.cli import console, say
from common.config.compose import compose_config
from common.config.schema import Config
from common.errors import UserError
from common.files import write_csv
from common.karyotype import CHROMOSOMES
from common.runs.run import Run
from datamodules.homologues.bank import (
    BankPairs,
    choose_bank,
    load_by_width,
    side_by_side,
)
from datamodules.homologues.segments import Segments
from datamodules.homologues.strips import Strips
from datamodules.inference.external_datamodule import LEARNED, read_seen_images, scan_external
from datamodules.io.progress import progress_bar
from datamodules.manifest.manifest import Manifest
from datamodules.sources import scan
from evaluation.comparison.within_class import NORMAL, draw_extremes, within_class
from evaluation.terminal import frame_table
from lightning_modules.load import load_pairs
from lightning_modules.pair_classifier import KINDS, PairClassifier
from lightning_modules.trainer import set_up_torch
from workflows.evaluate_request import EvaluateRequest

BATCH = 48
STEPS = 50  # places along a chromosome at which what is found is averaged over the bank


@dataclass(frozen=True)
class Singles:
    """Chromosomes without homologue, and the bank.

    Attributes:
        strips: The chromosomes, and after them those of the bank.
        names: A row per chromosome: ``file``, ``class`` (None where unknown) and ``group``.
        bank: A row per chromosome of the bank: ``image_id`` and ``label``.
    """

    strips: Strips
    names: pd.DataFrame
    bank: pd.DataFrame


def evaluate_singles(runs: Sequence[Run], request: EvaluateRequest) -> None:
    """Compare the chromosomes of another data set with a bank by each run, and write tables and pictures.

    Of each run: ``chromosomes.csv``, ``within_class.csv`` and ``extremes.png``. ``relative`` is the score in standard
    deviations of normal chromosomes of the bank from their mean. Where the class of some is not known, there is
    ``score_any``, the score of each as if its class were not known.

    Raises:
        UserError: The data set cannot be read or has classes that are no chromosomes, or a run has seen its images.
    """
    set_up_torch()
    config = compose_config(list(request.on or []))
    scanned, config = scan_external(config, [], console.is_terminal)
    say(f"{scanned.source}: {len(scanned.frame):,} images in {scanned.root}", *scanned.remarks)
    for run, folder in zip(runs, request.folders(runs), strict=True):
        singles = load_singles(run, scanned, config)
        table = _scored(load_pairs(run.folder), singles, config.pairs.bank_stretch)
        folder.mkdir(parents=True, exist_ok=True)
        write_csv(folder / "chromosomes.csv", table.drop(columns="partner"), "%.5f")
        result = within_class(table, request.confidence)
        if len(result):
            write_csv(folder / "within_class.csv", result, "%.5f")
            console.print(frame_table(result.round(3), f"against group {NORMAL}, within each class"))
        draw_extremes(folder / "extremes.png", table, singles.strips.pixels.numpy(), run.predictions.about)
        say(f"results in {folder}")


def _scored(model: PairClassifier, singles: Singles, stretch: float) -> pd.DataFrame:
    """Return the rows of chromosomes.csv."""
    found = compare_with_bank(model, singles, stretch)
    norms = normal_scores(model, singles, stretch).reindex(found["compared_as"]).reset_index(drop=True)
    found.insert(2, "relative", (found["score"] - norms["mean"]) / norms["std"])
    table = singles.names.join(found)
    if singles.names["class"].isna().any():
        unknown = replace(singles, names=singles.names.assign(**{"class": None}))
        table["score_any"] = compare_with_bank(model, unknown, stretch)["score"]
    return table


def load_singles(run: Run, scanned: Manifest, config: Config) -> Singles:
    """Read the chromosomes of another data set and the bank of a run, all scaled by their widths.

    Args:
        run: Its training part gives the bank.
        scanned: The data set: classes, and in the column ``group`` what each is.
        config: Its ``pairs.bank`` and ``cache_dir`` count.
    """
    seen = read_seen_images(run, run.config.init_from).part_of(scanned.frame["sha256"]).isin(LEARNED)
    if seen.any():
        raise UserError(f"{run.folder} learned from {int(seen.sum()):,} of the images: name others with --on")
    strange = sorted(set(scanned.frame["label"].dropna()) - set(CHROMOSOMES))
    if strange:
        raise UserError(f"--on: class {strange[0]} is no chromosome: 1 to 22, X and Y, or empty where unknown")
    own = run.config
    bank = _bank_of(run, config)
    labels = scanned.frame["label"].astype(object).where(scanned.frame["label"].notna(), None)
    files = [scanned.file(row) for row in range(len(scanned.frame))] + [Path(file) for file in bank["file"]]
    strips = load_by_width(files, [*labels, *bank["label"]], own.prepare, own.pairs.width)
    names = pd.DataFrame({"file": scanned.frame["image_id"], "class": labels, "group": scanned.frame["group"]})
    return Singles(strips, names, bank)


def _bank_of(run: Run, config: Config) -> pd.DataFrame:
    """Choose training images of a run; a row of each: ``image_id``, ``label`` and ``file``."""
    own = run.config
    manifest = scan(own.data, own.data_dir, Path(own.cache_dir), console.is_terminal)
    split = run.split
    training = split[(split["part"] == "train") & split["label"].notna()]
    chosen = training.iloc[choose_bank(training, config.pairs.bank, own.seed)]
    missing = [path for path in chosen["path"] if not (manifest.root / path).is_file()]
    if missing:
        raise UserError(f"{manifest.root} has no {missing[0]}, which {run.folder} was trained on: set data_dir")
    return chosen.assign(file=[str(manifest.root / path) for path in chosen["path"]]).reset_index(drop=True)


def compare_with_bank(model: PairClassifier, singles: Singles, stretch: float) -> pd.DataFrame:
    """Compare each chromosome with those of its class in the bank.

    Of one of unknown class the class counts that it resembles most: with the lowest median score.

    Returns:
        A row per chromosome: ``compared_as`` (class), ``score`` (median of the log-odds of being abnormal),
        ``prob_<kind>``, ``this_one`` (probability that it is the changed one of the two), ``hottest`` (place, as share
        of the length from its upper end), ``place`` (probability there), each a mean over the bank, ``nearest`` (image
        of the bank with the lowest score) and ``partner`` (its position among all strips).
    """
    count = len(singles.names)
    pairs = BankPairs.of(list(singles.names["class"]), list(singles.bank["label"]))
    found = _compare(model, singles.strips, pairs, stretch)
    medians = found.groupby(["item", "chromosome"])["score"].median().reset_index()
    best = medians.loc[medians.groupby("item")["score"].idxmin()].set_index("item")
    found = found[found["chromosome"].to_numpy() == best["chromosome"].loc[found["item"]].to_numpy()]
    means = found.groupby("item").mean()
    along = means[list(range(STEPS))].to_numpy()
    nearest = found.loc[found.groupby("item")["score"].idxmin()].set_index("item")["partner"].astype(int)
    columns = [f"prob_{kind}" for kind in KINDS]
    return means[[*columns, "this_one"]].assign(
        compared_as=[CHROMOSOMES[number] for number in best["chromosome"]],
        score=best["score"],
        hottest=(along.argmax(axis=1) + 0.5) / STEPS,
        place=along.max(axis=1),
        nearest=singles.bank["image_id"].to_numpy()[nearest - count],
        partner=nearest,
    )[["compared_as", "score", *columns, "this_one", "hottest", "place", "nearest", "partner"]]


def normal_scores(model: PairClassifier, singles: Singles, stretch: float) -> pd.DataFrame:
    """Return what normal chromosomes score against the others of the bank: ``mean`` and ``std`` by class."""
    pairs = BankPairs.within(list(singles.bank["label"]), len(singles.names))
    found = _compare(model, singles.strips, pairs, stretch)
    medians = found.groupby(["chromosome", "item"])["score"].median().groupby("chromosome")
    norms = pd.DataFrame({"mean": medians.mean(), "std": medians.std()})
    return norms.set_index(norms.index.map(lambda number: CHROMOSOMES[number]))


def _compare(model: PairClassifier, strips: Strips, pairs: BankPairs, stretch: float) -> pd.DataFrame:
    """Return a row per pair: who is compared, what is found, and the probability at each of STEPS places."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = model.to(device)
    strips = strips.to(device)
    item, partner, chromosome = (torch.from_numpy(values).to(device) for values in vars(pairs).values())
    rows = []
    starts = range(0, len(item), BATCH)
    with torch.inference_mode(), progress_bar(len(starts), "comparing", console.is_terminal) as advance:
        for start in starts:
            batch = slice(start, start + BATCH)
            first = Segments.whole(strips, item[batch])
            laid = side_by_side(strips, first, Segments.whole(strips, partner[batch]), stretch)
            compared = model.compare(laid.image, chromosome[batch])
            score = torch.stack([compared.abnormal, torch.sigmoid(compared.which)], dim=1)
            place = laid.along_first(torch.sigmoid(compared.place[:, 0]), STEPS)
            rows.append(torch.cat([score, torch.softmax(compared.kind, 1), place], dim=1).cpu().numpy())
            advance()
    names = ["score", "this_one", *(f"prob_{kind}" for kind in KINDS), *range(STEPS)]
    return pd.DataFrame(np.concatenate(rows).astype(np.float64), columns=names).assign(**vars(pairs))
