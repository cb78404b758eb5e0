"""What ``scripts/evaluate.py --on`` does: a run's model on another data set, the result a folder like a run's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os.path import commonpath, relpath
from pathlib import Path

import pandas as pd

from common.cli import console, say, warn
from common.config.schema import Config, EvaluationConfig
from common.errors import UserError
from common.files import write_csv
from common.predictions import Predictions, read_predictions
from common.runs.ensemble import is_ensemble
from common.runs.run import read_status, refuse_what_is_there, run_folders
from common.sweeps.jobs import compose_config
from datamodules.inference.external_datamodule import scan_other
from datamodules.sources._published import is_incomplete
from evaluation.comparison.class_mapping import parse_map
from evaluation.comparison.external import beside, beside_table, is_compared
from evaluation.comparison.submission import image_numbers, parse_codes, submission_lines, write_submission
from evaluation.ensembles.averaging import average
from evaluation.evaluate import judge
from evaluation.metrics.classification import call
from evaluation.results_csv import append_rows, read_rows, rows_of
from lightning_modules.load import read_config
from lightning_modules.stages.fit import set_up_torch
from workflows.external_run import KEYS, Other, Outside, finish, judge_outside, write_folder
from workflows.predict import data_facts


@dataclass(frozen=True)
class Wish:
    """What the command line asks for.

    Attributes:
        on: Hydra overrides that name the other set.
        pairs: Of ``--map``.
        output: The folder to write, or None.
        csv: The table to add rows to, or None.
        label: Of its rows.
        submission: The file for a challenge, or None.
        codes: What it says for each class.
        against: Runs to subtract; there must be none.
    """

    on: Sequence[str]
    pairs: Sequence[str] = ()
    output: Path | None = None
    csv: Path | None = None
    label: str = ""
    submission: Path | None = None
    codes: Sequence[str] = ()
    against: Sequence[Path] = ()


def validate(runs: Sequence[Path], wish: Wish, settings_of: Callable[[list[Predictions]], EvaluationConfig]) -> None:
    """Let each run judge another data set, print its figures beside those on its own, and write what is wished.

    Args:
        runs: Folders of finished runs. Folds of one experiment judge the same images, so each is judged alone; an
            average of what they write is ``scripts/ensemble.py``'s.
        wish: The set, and what to write.
        settings_of: How given predictions are judged.

    Raises:
        UserError: Something is there already, a run is none, the set or its classes do not fit, nothing is left to
            judge, or a submission cannot be made of it.
    """
    runs = run_folders(runs)
    folders = places(runs, wish.output)
    _check_wish(runs, folders, wish)
    other = look_at(wish, runs[0])
    set_up_torch()
    found = [judge_outside(run, folder, other) for run, folder in zip(runs, folders, strict=True)]
    if wish.submission:
        _submit(found, wish)
    if wish.output or not wish.submission:
        tables = [_report(one, wish, settings_of) for one in found]
        if len(found) > 1:
            _say_means(tables)


def look_at(wish: Wish, run: Path) -> Other:
    """Read the other set; ``run`` says which class is positive, and which cache is used.

    Raises:
        UserError: An override is not one of a data set, or its images cannot be read; none has a label, and metrics
            are wished; or some are missing, and a submission is.
    """
    said = parse_map(wish.pairs)
    facts = data_facts(run)
    config = _compose(wish.on, read_config(run))
    looked_for = facts.get("positive_class")
    positive = [name for name, own in said.items() if own == looked_for] + [str(looked_for)]
    scanned, config = scan_other(config, positive, console.is_terminal)
    say(f"{scanned.source}: {len(scanned.frame):,} images in {scanned.root}", *scanned.notes)
    unlabelled = wish.submission is not None
    missing = list(filter(is_incomplete, scanned.notes))
    if unlabelled and missing:
        raise UserError(f"{wish.submission}: {missing[0]}: a submission has a line per image, bring them all")
    if unlabelled:
        # What cannot be submitted is said before a model is asked.
        image_numbers(scanned.frame["path"])
        parse_codes(wish.codes, facts["classes"], facts["positive_class"])
    if not unlabelled and scanned.frame["label"].isna().all():
        raise UserError("no image of the other set has a label, so there is nothing to measure: add --submission FILE")
    if scanned.synthetic or config.data_dir is None:
        place = None
    else:
        place = Path(config.data_dir)
    if place is None:
        name = scanned.source
    else:
        name = place.resolve().name.removesuffix(".zip")
    return Other(name, scanned, config, said, unlabelled)


def places(runs: Sequence[Path], output: Path | None) -> list[Path | None]:
    """Return a folder per run: ``output`` itself for one, below it the part of the path that tells several apart."""
    if output is None or len(runs) == 1:
        return [output for _ in runs]
    resolved = [run.resolve() for run in runs]
    shared = commonpath(resolved)
    return [output / relpath(run, shared) for run in resolved]


def _check_wish(runs: Sequence[Path], folders: Sequence[Path | None], wish: Wish) -> None:  # noqa: C901
    if not wish.on:
        raise UserError("--map, --submission and --codes are about another data set: say which with --on data=...")
    if wish.against:
        raise UserError("--against beside --on: judge each on the other set first, then compare what they wrote")
    if wish.output is None and wish.submission is None:
        raise UserError("--on writes a folder like a run's for each run: say where with --output")
    for run in runs:
        if is_ensemble(run) or "members" in read_status(run):
            raise UserError(
                f"{run} is an ensemble: name its members, and combine what they write (scripts/ensemble.py)"
            )
        if "tested" in read_status(run):
            raise UserError(f"{run} is of a run on another set: name the run itself, {read_status(run)['tested']}")
        read_config(run)
    for folder in filter(None, folders):
        refuse_what_is_there(folder)
    if wish.codes and not wish.submission:
        raise UserError(f"--codes {' '.join(wish.codes)}: it is what a submission says: add --submission FILE")
    if wish.csv:
        read_rows(wish.csv)
    if wish.submission and wish.submission.exists():
        raise UserError(f"{wish.submission} is there already: name another --submission, or move it away")


def _compose(on: Sequence[str], own: Config) -> Config:
    """The configuration that names the other set; its cache is the run's if nothing else is said."""
    keys = [override.partition("=")[0].lstrip("+") for override in on]
    for override, key in zip(on, keys, strict=True):
        if "=" not in override or not (key in KEYS or key.startswith("data.")):
            names = "data=<source>, data.<key>=..., data_dir=... and cache_dir=..."
            raise UserError(f"--on {override}: it takes {names}; all else is the run's own")
    if "data" not in keys:
        raise UserError(f"--on {' '.join(on)}: say which source reads the other set, such as data=folder")
    config = compose_config(list(on))
    if "cache_dir" in keys:
        return config
    return config.model_copy(update={"cache_dir": own.cache_dir})


def _report(one: Outside, wish: Wish, settings_of: Callable[[list[Predictions]], EvaluationConfig]) -> pd.DataFrame:
    """Write one run's folder and rows, print its figures; return them."""
    own = read_predictions(one.run.folder)
    inside = judge(own, settings_of([own]))
    outside = write_folder(one, settings_of([one.predictions]))
    frame = beside(inside, outside)
    write_csv(one.folder / "inside_outside.csv", frame, "%.6f")
    finish(one)
    facts = one.predictions.about["external"]
    left = facts["left_out"]
    out = left["unlabelled"] + sum(left["classes"].values()) + left["train"] + left["validation"]
    console.print(beside_table(inside, outside))
    warn(*[line for line in outside["warnings"] if not line.startswith("validation: ")])
    say(f"all of it: {one.folder}", f"{facts['images']:,} images: {facts['tested']:,} judged, {out:,} left out")
    if wish.csv:
        rows = rows_of(inside, wish.label) + rows_of(outside, wish.label)
        append_rows(wish.csv, [row for row in rows if is_compared(row["metric"])])
    return frame


def _say_means(tables: list[pd.DataFrame]) -> None:
    """Print the mean over the runs of what is compared most."""
    lines = []
    for name in ("auc", "accuracy", "f1_weighted"):
        rows = pd.concat([table[table["metric"] == name] for table in tables])
        inside, outside = (rows[side].dropna().astype(float) for side in ("inside", "outside"))
        lines.append(f"{name}: {inside.mean():.3f} inside, {outside.mean():.3f} outside")
    combined = "each run is judged alone; for one model of them: scripts/ensemble.py average ... --common"
    say(f"mean over {len(tables)} runs", *lines, combined)


def _submit(found: list[Outside], wish: Wish) -> None:
    """Write the calls, at 0.5; several runs have one, from the mean of their probabilities."""
    tests = [one.predictions.part("test") for one in found]
    if len(tests) == 1:
        joined = tests[0]
    else:
        joined = average(tests, [str(one.run.folder) for one in found])
    codes = parse_codes(wish.codes, joined.classes, joined.positive_class)
    called = [joined.classes[index] for index in call(joined.probabilities, joined.positive_index)]
    write_submission(wish.submission, submission_lines(joined.frame["path"], called, codes))
    counts = ", ".join(f"{called.count(name):,} {name} ({codes[name]})" for name in joined.classes)
    say(f"{wish.submission}: {len(called):,} lines", counts, "called at 0.5, in the order of the images' numbers")
