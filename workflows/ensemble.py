"""What scripts/ensemble.py joins: members, methods, and what both leave in folders."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from common.cli import console, say, warn
from common.config.ensemble import EnsembleConfig
from common.config.schema import AssignmentConfig, EvaluationConfig
from common.errors import UserError
from common.files import atomic_path, write_csv
from common.predictions import PROBABILITY_PREFIX, Predictions, read_predictions, uncertainty_of, write_predictions
from common.runs.ensemble import EnsembleFile, write_ensemble
from common.runs.run import write_status
from common.thumbnails import THUMBNAILS
from evaluation.core import warnings as cautions
from evaluation.core.labelled import LabelledPredictions, score
from evaluation.cytogenetics.cell_metrics import assignment_refusal
from evaluation.ensembles.averaging import align, combine, stacked
from evaluation.ensembles.membership import EnsembleMembers, teams
from evaluation.ensembles.methods import Combiner, fit
from evaluation.ensembles.nested_cv import held_out, inner_folds, problem_of
from evaluation.ensembles.objective import Problem
from evaluation.ensembles.overfitting import MEMBER, METHOD, METRICS, Candidate, overfitting, shown
from evaluation.ensembles.plots import draw_overfitting
from evaluation.evaluate import judge_runs, write_judgement
from evaluation.results_csv import append_rows, rows_of
from evaluation.terminal import table

AVERAGE = "average"


@dataclass(frozen=True)
class Wish:
    """What the command line asks for.

    Attributes:
        methods: Of ``combining.METHODS``; several get a folder each.
        output: The new folder.
        config: How the weights are fitted.
        settings: Of the judgement.
        seed: Of the fits, and of the inner folds.
        nested: Number of inner folds of the validation images; 0: none.
        common: Whether validation images that a member lacks are left out.
        name: What the ensemble is called in tables; None: by its method and members.
    """

    methods: tuple[str, ...]
    output: Path
    config: EnsembleConfig
    settings: EvaluationConfig
    seed: int = 0
    nested: int = 0
    common: bool = False
    name: str | None = None

    def folder(self, method: str, fold: int | None) -> Path:
        """Where the ensemble of a method and fold lies."""
        if len(self.methods) == 1:
            folder = self.output
        else:
            folder = self.output / method
        if fold is None:
            return folder
        return folder / f"fold{fold}"

    def called(self, method: str) -> str | None:
        """The ensemble's name in tables."""
        if self.name is None or len(self.methods) == 1:
            return self.name
        return f"{self.name}_{method}"


@dataclass(frozen=True)
class Ready:
    """A team whose members were checked and brought into one order."""

    team: EnsembleMembers
    aligned: list[Predictions]
    fold_of: np.ndarray | None = None  # of the labelled validation images, where held-out figures are asked for

    @cached_property
    def problem(self) -> Problem:
        """What weights are fitted on."""
        return problem_of(self.aligned)

    @cached_property
    def validation(self) -> LabelledPredictions:
        """The labelled validation images."""
        return score(self.aligned[0].part("validation"))


@dataclass
class Made:
    """The ensembles of one method, a fold each."""

    method: str
    combiners: list[Combiner] = field(default_factory=list)
    runs: list[Predictions] = field(default_factory=list)
    nested: list[Predictions] = field(default_factory=list)
    judgements: list[dict] = field(default_factory=list)


def read_teams(runs: Sequence[Path], wish: Wish) -> list[Ready]:
    """Read the members, check that they can be joined as wished, and bring them into one order.

    Raises:
        UserError: See ``teams``, ``align``, ``problem_of`` and ``inner_folds``.
    """
    members = [read_predictions(run) for run in runs]
    # A run's folder and its file are the same member, and so is its folder by another path.
    first: dict[Path, str] = {}
    folders = [run.parent if run.is_file() else run for run in runs]
    found = teams(members, [first.setdefault(folder.resolve(), str(folder)) for folder in folders])
    return [_ready(team, wish) for team in found]


def _ready(team: EnsembleMembers, wish: Wish) -> Ready:
    ready = Ready(team, align(list(team.members), list(team.names), wish.common))
    if any(method != AVERAGE for method in wish.methods):
        _ = ready.problem
    _tell(ready, wish.common)
    if not wish.nested:
        return ready
    return replace(ready, fold_of=inner_folds(ready.validation, wish.nested, wish.seed))


def _tell(ready: Ready, common: bool) -> None:
    """Say what is left out of what the members know."""
    sampled = sum(member.sampled for member in ready.aligned)
    if sampled:
        warn(
            f"{sampled} of {len(ready.aligned)} members have passes of their own: only their probabilities without "
            "dropout"
        )
    sizes = [len(member.part("validation").frame) for member in ready.team.members]
    kept = len(ready.aligned[0].part("validation").frame)
    if common and max(sizes) > kept:
        if not kept:
            what = "no threshold is chosen, nothing can be fitted"
        else:
            what = "the others may have trained a member"
        warn(f"{kept:,} validation images of up to {max(sizes):,} are common to all members{_of_fold(ready)}: {what}")


def make(ready: Sequence[Ready], wish: Wish) -> list[Made]:
    """Fit each method on the validation images of each team, judge it once on the test images, and write its runs.

    The average, with which others are compared, is made in any case. Nothing is written before all is fitted.
    """
    made = [Made(method) for method in dict.fromkeys([*wish.methods, AVERAGE])]
    written = [one for one in made if one.method in wish.methods]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=(len(made) + len(written)) * len(ready))
        for one in made:
            for team in ready:
                bar.update(task, description=f"fitting {one.method}{_of_fold(team)}")
                _fit(one, team, wish)
                bar.advance(task)
        if len(wish.methods) > 1:  # of a single one its judgement says so
            _tell_few(ready, made)
        for one in written:
            for place, team in enumerate(ready):
                bar.update(task, description=f"judging {one.method}{_of_fold(team)}")
                one.judgements.append(_write(one, place, team, wish))
                bar.advance(task)
    return made


def _tell_few(ready: Sequence[Ready], made: Sequence[Made]) -> None:
    """Say which methods fitted many numbers on few validation images."""
    for place, team in enumerate(ready):
        images = len(team.validation.labels)
        numbers = {one.method: parameters(one.combiners[place]) for one in made}
        few = [f"{name} ({count:,})" for name, count in numbers.items() if cautions.too_few_images(images, count)]
        if few:
            warn(
                f"{images:,} validation images{_of_fold(team)}: fewer than {cautions.IMAGES_PER_NUMBER} for each of "
                f"the numbers fitted by {', '.join(few)}: much of their gain there may be chance"
            )


def _of_fold(ready: Ready) -> str:
    if ready.team.fold is None:
        return ""
    return f", fold {ready.team.fold}"


def _fit(made: Made, ready: Ready, wish: Wish) -> None:
    """Add the ensemble of one team."""
    method = made.method
    members = len(ready.aligned)
    if method == AVERAGE:
        combiner = Combiner(method, np.full(members, 1 / members))
    else:
        combiner = fit(method, ready.problem, wish.config, wish.seed)
    found = combine(ready.aligned, combiner.combine(stacked(ready.aligned)), method, wish.called(method))
    if method != AVERAGE:
        found.about["fitted"] = {**_fitted_on(ready), "parameters": parameters(combiner)}
    found.about["run"] = str(wish.folder(method, ready.team.fold))
    made.combiners.append(combiner)
    made.runs.append(found)
    if ready.fold_of is not None:
        made.nested.append(_nested(method, found, ready, wish))


def _nested(method: str, found: Predictions, ready: Ready, wish: Wish) -> Predictions:
    """The labelled validation rows, predicted by what was fitted on the other inner folds."""
    validation = found.part("validation")
    if method == AVERAGE:
        return validation
    try:
        probabilities = held_out(
            ready.problem, ready.fold_of, lambda problem: fit(method, problem, wish.config, wish.seed)
        )
    except UserError as error:  # what suffices for the fit need not do so without a fold
        raise UserError(f"--nested {wish.nested}{_of_fold(ready)}: {error}; or leave --nested out") from error
    frame = validation.frame[validation.labels >= 0].reset_index(drop=True)
    columns = [PROBABILITY_PREFIX + name for name in found.classes]
    frame[columns] = probabilities
    frame["uncertainty"] = uncertainty_of(probabilities)
    return replace(validation, frame=frame)


def _fitted_on(ready: Ready) -> dict[str, int | None]:
    return {"images": len(ready.validation.labels), "subjects": ready.validation.subjects}


def parameters(combiner: Combiner) -> int:
    """Count the numbers that were fitted: none of an average, one choice of the best, else all weights but one."""
    if combiner.stacker is not None:
        return combiner.stacker.coefficients.size + combiner.stacker.intercepts.size
    return {"average": 0, "best": 1}.get(combiner.method, len(combiner.weights) - 1)


def _write(made: Made, place: int, ready: Ready, wish: Wish) -> dict:
    """Write one run of a method: predictions, judgement, weights, what it is made of; return the judgement."""
    predictions = made.runs[place]
    combiner = made.combiners[place]
    team = ready.team
    folder = wish.folder(made.method, team.fold)
    settings = _settings([predictions], wish)
    write_predictions(folder / "predictions.parquet", predictions)
    nothing = {"images": 0, "subjects": 0}
    if made.method == AVERAGE:
        fitted_on = nothing
    else:
        fitted_on = _fitted_on(ready)
    write_ensemble(folder, EnsembleFile(made.method, team.names, team.labels, combiner.as_dict(), fitted_on))
    write_csv(folder / "weights.csv", pd.DataFrame(_weights(team, combiner)), "%.6f")
    _copy_thumbnails(team, folder)
    judgement = write_judgement(folder, predictions, None, settings)
    write_status(folder, "finished", members=list(team.names))
    return judgement


def _settings(runs: list[Predictions], wish: Wish) -> EvaluationConfig:
    """The wishes of the judgement; where the runs have whole cells, their chromosomes are placed jointly, too."""
    assigns = AssignmentConfig(enabled=assignment_refusal(runs) is None)
    return wish.settings.model_copy(update={"assignment": assigns})


def _weights(team: EnsembleMembers, combiner: Combiner) -> list[dict]:
    if combiner.weights is None:
        weights = [None] * len(team.names)
    else:
        weights = combiner.weights.tolist()
    rows = zip(team.labels, team.names, weights, strict=True)
    return [{"member": label, "folder": name, "weight": weight} for label, name, weight in rows]


def _copy_thumbnails(team: EnsembleMembers, folder: Path) -> None:
    """Copy the small pictures of the test images from the first member that has them."""
    for name in team.names:
        if (Path(name) / THUMBNAILS).is_file():
            with atomic_path(folder / THUMBNAILS) as temporary:
                shutil.copyfile(Path(name) / THUMBNAILS, temporary)
            return


def compare_all(ready: Sequence[Ready], made: Sequence[Made], wish: Wish) -> None:
    """Write ``overfitting.csv`` and ``overfitting.png``: members and methods, validation and test side by side."""
    ensembles = {
        one.method: Candidate(
            one.method, METHOD, max(map(parameters, one.combiners)), tuple(one.runs), tuple(one.nested) or None
        )
        for one in made
    }
    reference = ensembles[AVERAGE]
    methods = [ensembles[method] for method in dict.fromkeys([AVERAGE, *wish.methods])]
    with console.status("comparing members and methods"):
        found = overfitting([*_members(ready, bool(wish.nested)), *methods], reference, wish.settings)
    write_csv(wish.output / "overfitting.csv", found, "%.6f")
    about = {**_about(reference), "name": f"ensembles of {len(ready[0].team.labels)} members"}
    draw_overfitting(wish.output / "overfitting.png", found, about)
    for metric in METRICS:
        console.print(shown(found, metric))


def _members(ready: Sequence[Ready], nested: bool) -> list[Candidate]:
    found = []
    for place, label in enumerate(ready[0].team.labels):
        runs = tuple(one.aligned[place] for one in ready)
        found.append(Candidate(label, MEMBER, 0, runs, runs if nested else None))
    return found


def _about(candidate: Candidate) -> dict:
    folds = [run.about.get("fold") for run in candidate.runs]
    return {**candidate.runs[0].about, "fold": folds if len(folds) > 1 else folds[0]}


def close(ready: Sequence[Ready], made: Sequence[Made], wish: Wish, csv: Path | None, label: str) -> None:
    """Print the judgement of a single method, and add the rows of all to a table of results."""
    rows: list[dict] = []
    for one in [one for one in made if one.judgements]:
        if len(ready) == 1:
            judgement = one.judgements[0]
        else:
            judgement = judge_runs(one.runs, _settings(one.runs, wish))
        # Rows of one label are one thing measured: several methods need labels of their own.
        rows += rows_of(judgement, ": ".join(filter(None, (label, one.method))) if len(wish.methods) > 1 else label)
        if len(wish.methods) == 1:
            console.print(table(judgement))
    if csv:
        append_rows(csv, rows)
    if len(wish.methods) > 1:
        every = [
            {"fold": team.team.fold, "method": one.method, **row}
            for one in made
            if one.judgements
            for team, combiner in zip(ready, one.combiners, strict=True)
            for row in _weights(team.team, combiner)
        ]
        write_csv(wish.output / "weights.csv", pd.DataFrame(every), "%.6f")
    say(f"all of it: {wish.output}", *_folders(ready, wish))


def _folders(ready: Sequence[Ready], wish: Wish) -> list[str]:
    """Name the levels of folders below the output, where there are any."""
    folds = [f"fold{one.team.fold}" for one in ready if one.team.fold is not None]
    levels = [wish.methods if len(wish.methods) > 1 else (), folds]
    return [
        ("in each " if place and levels[0] else "") + ", ".join(names) for place, names in enumerate(levels) if names
    ]
