"""The experiments of a report: runs, gathered by experiment, with their evaluation. No model is loaded."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from karyocyte.common.errors import UserError
from karyocyte.config.task import check_same_classes
from karyocyte.evaluation.pooling.experiments import Group, group_runs
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns, evaluation_settings
from karyocyte.evaluation.run.evaluate import draw_figures, evaluate_labelled
from karyocyte.evaluation.types.result import EvaluationResult
from karyocyte.runs.files import RunFile
from karyocyte.runs.run import Run


@dataclass(frozen=True)
class Chapter:
    """One experiment: a run, an ensemble, or the folds of either; runs are in the order of the group's predictions."""

    group: Group
    runs: tuple[Run, ...]
    result: EvaluationResult
    pictures: dict[str, bytes]  # PNG files by name: those of a run that is evaluated, else drawn now

    @property
    def heatmaps(self) -> dict[str, list[Path]]:
        """The files of heat maps of all runs, by method and layer."""
        files: dict[str, list[Path]] = {}
        for run in self.runs:
            for path in run.heatmaps:
                files.setdefault(path.stem, []).append(path)
        return files

    def fold_of(self, run: Run, before: str = "") -> str:
        """Return which fold a run is, after the text ``before``; "" where the chapter has a single run."""
        if len(self.runs) == 1:
            return ""
        return f"{before}fold {run.predictions.about.get('fold')}"


def read_chapters(folders: list[Path]) -> list[Chapter]:
    """Read runs and gather the folds of each experiment; evaluate folds, and runs that have no metrics.json.

    Args:
        folders: Run folders, or files in them; at least one, each once.

    Raises:
        UserError: There is no run, or runs do not belong together.
    """
    runs = dict(zip(map(str, folders), map(Run.open, folders), strict=True))
    groups = group_runs([run.predictions for run in runs.values()], list(runs))
    _check_one_task(groups)
    return [_chapter(group, tuple(runs[name] for name in group.names)) for group in groups]


def _check_one_task(groups: list[Group]) -> None:
    """Raise where runs have other classes than the first, or name another image alike."""
    first = groups[0].runs[0]
    facts: dict[str, tuple[str | None, ...]] = {}
    for group in groups:
        for run in group.runs:
            check_same_classes(groups[0].label, first, group.label, run, "make a report of each task")
            frame = run.part("test").frame[["image_id", "label", "subject"]].astype(object)
            for image_id, *label_and_subject in frame.where(frame.notna(), None).itertuples(index=False):
                if facts.setdefault(image_id, tuple(label_and_subject)) != tuple(label_and_subject):
                    raise UserError(
                        f"image {image_id} has another label or subject in {group.label} than in a run before it: make "
                        "a report of each data set"
                    )


def _chapter(group: Group, runs: tuple[Run, ...]) -> Chapter:
    run = runs[0]
    # Pictures that are not listed, as of an earlier version, could be another run's.
    if len(runs) == 1 and run.has(RunFile.METRICS) and _names(run.folder) <= run.checksums.listed.keys():
        pictures = {Path(name).stem: run.checked(name).read_bytes() for name in sorted(_names(run.folder))}
        return Chapter(group, runs, EvaluationResult.from_dict(run.metrics), pictures)
    settings = evaluation_settings(run.metrics.get("settings") or run.raw_config.get("evaluation") or {})
    evaluation = evaluate_labelled(LabelledRuns.of(group.runs, settings, [run.predictions_train for run in runs]))
    with TemporaryDirectory() as folder:
        pictures = {path.stem: path.read_bytes() for path in sorted(draw_figures(Path(folder), evaluation))}
        return Chapter(group, runs, evaluation.result, pictures)


def _names(folder: Path) -> set[str]:
    """Return the names of the pictures in the folder of a run."""
    return {path.name for path in folder.glob("*.png")}
