"""What scripts/predict.py joins: runs, files that nobody prepared, and what the runs chose on validation."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from common.cli import console
from common.config.schema import Config
from common.errors import UserError
from common.files import atomic_path
from common.predictions import FACTS, Predictions, read_predictions
from common.runs.ensemble import is_ensemble, member_folders, read_ensemble
from common.runs.run import read_status
from datamodules.inference.image_files import Given, count_others
from datamodules.inference.predict_datamodule import GivenImages, thumbnails
from datamodules.inference.run_images import check_alone
from datamodules.io.progress import LONG
from evaluation.core.warnings import fitted
from evaluation.ensembles.averaging import align, average, combine, stacked
from evaluation.ensembles.methods import Combiner
from evaluation.uncertainty.contact_sheet import SIDE, chosen_rows, review_sheet
from evaluation.uncertainty.flags import BROKEN, Chosen, choose, chosen_by
from lightning_modules.inference import predict, to_predictions
from lightning_modules.load import load_run, read_config
from lightning_modules.mc_dropout import check_dropout
from lightning_modules.stages.fit import set_up_torch

SEEN = ("train", "validation", "test", "unused")  # of a file in several parts the first counts
LISTED = 5  # broken files that are named on the terminal
OTHER_KIND = (
    "this run learned from karyograms composed of single chromosomes (data.source=composed_karyograms): a picture from "
    "elsewhere, of other layout, ground and marks, is not of that kind, and the run's figures do not hold for it"
)
DRAWN = "this run learned from drawn images (SYNTHETIC): what it says of real ones means nothing"


@dataclass(frozen=True)
class Judged:
    """What a run, or an ensemble of members, says of given files.

    Attributes:
        predictions: A row per file that could be judged, in their order; ``image_id`` is the file's name.
        facts: A row per file: ``file``, ``status`` ("judged" or "broken"), ``cause`` (of the broken), ``sha256`` and
            ``seen`` (the part of a run's split that holds this very file; None in none).
    """

    predictions: Predictions
    facts: pd.DataFrame


def split_arguments(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Tell the runs, which stand first, from the places of the images.

    Raises:
        UserError: One of the two is missing, a run is named twice, or stands behind a place.
    """
    runs = [path for path in paths if _is_run(path)]
    places = [path for path in paths if not _is_run(path)]
    if not runs:
        raise UserError(f"{paths[0]} is no run of Karyocyte: name a finished run's folder first, then the images")
    if not places:
        raise UserError("no images are named: add a folder, a zip or files behind the runs")
    if list(paths[: len(runs)]) != runs:
        raise UserError(f"{runs[-1]} is a run: name the runs first, then the images")
    return runs, places


def members_of(runs: Sequence[Path]) -> list[Path]:
    """Return the runs with each ensemble replaced by its members.

    Raises:
        UserError: A run is named twice, is not finished, tells other classes apart than the first, or scales each
            chromosome with its cell; or an ensemble has lost a member, has one that is an ensemble itself, or is
            fitted and not named alone.
    """
    members = [member for run in runs for member in _members_of(run)]
    for run in runs:
        if len(runs) > 1 and is_ensemble(run) and read_ensemble(run).method != "average":
            raise UserError(f"{run} has fitted weights, which hold for its own members alone: name no other run")
    for place, member in enumerate(members):
        if member.resolve() in [one.resolve() for one in members[:place]]:
            raise UserError(f"{member} is named twice: name each member of the ensemble once")
        check_alone(read_config(member).prepare, str(member), "of a file alone its cell is not known")
    classes = {member: data_facts(member).get("classes") for member in members}
    for member, found in classes.items():
        if found != classes[members[0]]:
            raise UserError(
                f"{members[0]} tells {', '.join(classes[members[0]])} apart, {member} {', '.join(found)}: name runs of "
                "one task"
            )
    return members


def _members_of(run: Path) -> list[Path]:
    if is_ensemble(run):
        members = member_folders(run, read_ensemble(run))
    else:
        members = [Path(member) for member in read_status(run).get("members", [run])]
    within = [
        member for member in members if member != run and (is_ensemble(member) or "members" in read_status(member))
    ]
    if within:
        raise UserError(f"{run} has a member that is an ensemble itself, {within[0]}: name an ensemble of runs")
    return members


def combiner_of(runs: Sequence[Path]) -> Combiner | None:
    """Return how the one ensemble joins its members; None of a run, and where all are averaged."""
    if len(runs) == 1 and is_ensemble(runs[0]):
        return Combiner.from_dict(read_ensemble(runs[0]).combiner)
    return None


def data_facts(run: Path) -> dict:
    """Return what a run says of its data (``data.json``): classes, source, synthetic."""
    path = run / "data.json"
    if path.is_file():
        return json.loads(path.read_text())
    return {}


def cautions(members: Sequence[Path]) -> list[str]:
    """Say where the runs learned from images of another kind than pictures from elsewhere are."""
    facts = [data_facts(member) for member in members]
    composed = any(one.get("source") == "composed_karyograms" for one in facts)
    return [OTHER_KIND] * composed + [DRAWN] * any(one.get("synthetic") for one in facts)


def judge_files(members: Sequence[Path], given: Given, passes: int | None, combiner: Combiner | None = None) -> Judged:
    """Let each member judge the files, prepared as its own images were.

    Args:
        members: Runs; with several their votes are summarised, and none has passes of its own.
        given: The files.
        passes: Of Monte Carlo dropout; None: as many as the run's own configuration says.
        combiner: How the members' probabilities are joined; None: by their mean.

    Raises:
        UserError: See ``load_run`` and ``predict``; or passes are asked of several members.
    """
    if passes and len(members) > 1:
        raise UserError(
            f"--passes {passes}: of {len(members)} members each has one vote: leave it out, or name one run"
        )
    set_up_torch()
    images = []
    found = []
    for member in members:
        one, data = _judge(member, given, 0 if len(members) > 1 else passes)
        images.append(data)
        found.append(one)
    causes = {row: cause for data in reversed(images) for row, cause in data.causes.items()}
    broken = {given.files[row].name for row in causes}
    kept = [_without(one, broken) for one in found]
    return Judged(_joined(kept, members, combiner), _facts(given, causes, images[0].hashes, members))


def _joined(found: list[Predictions], members: Sequence[Path], combiner: Combiner | None) -> Predictions:
    names = [str(member) for member in members]
    if len(found) == 1:
        return found[0]
    if combiner is None:
        return average(found, names)
    aligned = align(found, names)
    return combine(aligned, combiner.combine(stacked(aligned)), combiner.method)


def chosen_of(runs: Sequence[Path], members: Sequence[Path]) -> Chosen:
    """Return what the one run or ensemble chose on validation; several runs are averaged there and choose anew."""
    settings = read_config(members[0]).evaluation
    metrics = runs[0] / "metrics.json"
    if len(runs) == 1 and metrics.is_file():
        judgement = json.loads(metrics.read_text())
        found = chosen_by(judgement)
        return replace(found, notes=(*found.notes, *fitted(judgement.get("about") or {})))
    validated = [read_predictions(member) for member in members]
    if len(members) == 1:
        return choose(validated[0], settings)
    try:
        return choose(average(validated, [str(member) for member in members]), settings)
    except UserError as error:  # such as the folds of an experiment: they have no validation image in common
        note = f"the members share no validation part, so no threshold, temperature or release is chosen: {error}"
        return Chosen(settings.triage.vote_share, notes=(note,))


def full_table(judged: Judged, flags: pd.DataFrame, labels: Sequence[str | None] | None) -> pd.DataFrame:
    """Return a row per file: its facts, its label where wished, and what ``review.flag`` says of it.

    A broken file is for a person, too.
    """
    if labels is None:
        facts = judged.facts
    else:
        facts = judged.facts.assign(label=list(labels))
    flags = flags.assign(file=judged.predictions.frame["image_id"].to_numpy())
    table = facts.merge(flags, on="file", how="left", validate="one_to_one")
    broken = table["status"] == "broken"
    table["review"] = table["review"].astype(object).where(~broken, True).astype(bool)
    table["reason"] = table["reason"].astype(object).where(~broken, BROKEN)
    last = ["seen", "sha256"]
    return table[[name for name in table.columns if name not in last] + last]


def write_tables(output: Path, table: pd.DataFrame) -> Path:
    """Write the table as CSV and, beside it, as parquet, both or none; return the path of the latter."""
    parquet = output.with_suffix(".parquet")
    with ExitStack() as stack:
        beside, first = (stack.enter_context(atomic_path(path)) for path in (parquet, output))
        table.to_csv(first, index=False, float_format="%.6f")
        table.to_parquet(beside, index=False)
    return parquet


def draw_sheet(path: Path, table: pd.DataFrame, given: Given, about: dict) -> None:
    """Draw the contact sheet of the files that could be judged; nothing where there is none."""
    judged = table[table["status"] == "judged"].reset_index(drop=True)
    if len(judged):
        shown = judged.iloc[chosen_rows(judged)]
        files = {file.name: file.path for file in given.files}
        review_sheet(path, shown, thumbnails([files[name] for name in shown["file"]], SIDE), about, len(judged))


def closing_lines(table: pd.DataFrame, given: Given) -> list[str]:
    """Account for every file, in a few lines."""
    judged = table[table["status"] == "judged"]
    broken = table[table["status"] == "broken"]
    calls = ", ".join(f"{count:,} {name}" for name, count in judged["called"].value_counts().items())
    files = len(table) + sum(given.others.values())
    if given.others:
        others = count_others(given.others)
    else:
        others = "no other file"
    lines = [f"{files:,} files: {len(judged):,} judged ({calls or 'none'}), {len(broken):,} broken, {others}"]
    lines += [f"broken: {row.file}: {row.cause}" for row in broken.head(LISTED).itertuples()]
    if len(broken) > LISTED:
        lines.append(f"... and {len(broken) - LISTED:,} more, see the table")
    lines.append(f"to be reviewed: {int(judged['review'].sum()):,} of the judged")
    return lines + (_rightly_called(judged) if "label" in table else [])


def _rightly_called(judged: pd.DataFrame) -> list[str]:
    lines = []
    known = judged[judged["label"].notna()]
    for column, text in (("called", "at 0.5"), ("called_at_threshold", "at the threshold of validation")):
        if len(known) and known[column].notna().all():
            right = known[column] == known["label"]
            each = ", ".join(f"{int(one.sum())} of {len(one)} {name}" for name, one in right.groupby(known["label"]))
            lines.append(f"called rightly {text}: {int(right.sum()):,} of {len(known):,} ({each})")
    without = int(judged["label"].isna().sum())
    return lines + ([f"{without:,} of the judged lie in no folder called like a class"] if without else [])


def _judge(member: Path, given: Given, passes: int | None) -> tuple[Predictions, GivenImages]:
    run = load_run(member)
    config = _for_prediction(run.config, passes, len(given.files))
    if passes and config.inference.mc_passes:
        check_dropout(run.classifier, passes, config.prepare.size)
    data = GivenImages([file.path for file in given.files], config.prepare, config.loader.batch_size)
    predicted = predict(run.classifier, data, config)
    names = [file.name for file in given.files]
    images = pd.DataFrame({**dict.fromkeys(FACTS), "image_id": names, "path": names})
    facts = data_facts(member)
    if facts.get("synthetic"):
        learned = "SYNTHETIC images"
    else:
        learned = facts.get("source")
    about = {"name": config.name, "source": f"trained on {learned}", "synthetic": False}
    parts = pd.Series("test", index=images.index)
    return to_predictions(predicted, images, parts, run.classes, run.positive_class, about), data


def _for_prediction(config: Config, passes: int | None, files: int) -> Config:
    """The configuration with the passes that are wished, on whatever machine this is."""
    shown = console.is_terminal or files >= LONG
    trainer = config.trainer.model_copy(update={"accelerator": "auto", "enable_progress_bar": shown})
    if passes is None:
        passes = config.inference.mc_passes
    else:
        passes = passes
    inference = config.inference.model_copy(update={"mc_passes": passes})
    return config.model_copy(update={"trainer": trainer, "inference": inference})


def _without(predictions: Predictions, broken: set[str]) -> Predictions:
    """The rows of files that every member could judge."""
    frame = predictions.frame[~predictions.frame["image_id"].isin(broken)].reset_index(drop=True)
    return Predictions(frame, predictions.classes, predictions.positive_class, predictions.about)


def _facts(given: Given, causes: dict[int, str], hashes: dict[int, str], members: Sequence[Path]) -> pd.DataFrame:
    rows = range(len(given.files))
    seen = _parts(members)
    found = {
        "file": [file.name for file in given.files],
        "status": ["broken" if row in causes else "judged" for row in rows],
        "cause": [causes.get(row) for row in rows],
        "sha256": [hashes.get(row) for row in rows],
        "seen": [seen.get(hashes.get(row)) for row in rows],
    }
    return pd.DataFrame(found, dtype=object)


def _parts(members: Sequence[Path]) -> dict[str, str]:
    """Which part of the members' splits holds a file, by its SHA-256."""
    found: dict[str, str] = {}
    for part in reversed(SEEN):
        for member in members:
            if (member / "split.csv").is_file():
                split = pd.read_csv(member / "split.csv", usecols=["sha256", "part"], dtype=str)
                found |= dict.fromkeys(split.loc[split["part"] == part, "sha256"], part)
    return found


def _is_run(path: Path) -> bool:
    """Whether a folder is a run, or was to become one."""
    return any((path / name).is_file() for name in ("status.json", "identity.json"))
