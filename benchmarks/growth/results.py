"""The parts that work on predictions: evaluation, report, ensemble weights."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import softmax

from benchmarks.ensemble import drawn_case
from benchmarks.growth.data import IMAGES
from benchmarks.growth.part import Part, Work
from common.config.schema import EvaluationConfig
from common.predictions import PROBABILITY_PREFIX, Predictions, uncertainty_of
from common.runs.files import RunFile
from common.runs.run import Run
from common.thumbnails import encode, write_pictures
from evaluation.evaluate import evaluate_runs, write_evaluation
from evaluation.report.page import Options, write_report
from workflows.ensembles.config import GeneticConfig
from workflows.ensembles.methods import fit

CLASSES = 24
SKILL = 4.0  # how far the logit of the true class is above the others, on average
VALIDATION = 0.25  # validation images for each test image
IMAGES_PER_SUBJECT = 50
SUBJECTS = (64, 1_000, 16_000, 64_000)
IMAGES_OF_SUBJECTS = 64_000
MEMBERS = (4, 16, 64, 128)
IMAGES_OF_MEMBERS = 1000
PICTURES = 500  # different ones
SIDE = 32  # pixels


def evaluation(images: int, folder: Path, classes: int, with_subjects: bool) -> Work:
    """Evaluate so many test images, and write tables and figures."""
    drawn = predictions(images, max(2, images // IMAGES_PER_SUBJECT) if with_subjects else None, classes)
    return lambda: write_evaluation(folder, drawn, None, EvaluationConfig()).test.images


def evaluation_of_subjects(subjects: int, folder: Path) -> Work:
    """Evaluate the same number of test images of so many subjects."""
    drawn = predictions(IMAGES_OF_SUBJECTS, subjects, CLASSES)
    return lambda: write_evaluation(folder, drawn, None, EvaluationConfig()).test.subjects or 0


def report(images: int, folder: Path) -> Work:
    """Write the page of an evaluated run with so many test images."""
    run = Run(folder / "run")
    drawn = predictions(images, max(2, images // IMAGES_PER_SUBJECT), 2)
    run.write_predictions(drawn)
    run.write_status("finished")
    run.write_json(RunFile.METRICS, evaluate_runs([drawn], EvaluationConfig()).to_dict())
    names = drawn.part("test").frame["image_id"]
    write_pictures(run.thumbnails, names, islice(cycle(_pictures()), images), SIDE)
    return lambda: write_report([run.folder], folder / "report.html", Options()).total


def ensemble(members: int, folder: Path, method: str) -> Work:
    """Fit the weights of so many members."""
    skills = tuple(np.linspace(SKILL, SKILL + 1.0, members))
    problem = drawn_case(IMAGES_OF_MEMBERS, CLASSES, skills).draw(0)

    def work() -> int:
        fit(method, problem, GeneticConfig(), seed=0)
        return problem.members

    return work


def predictions(images: int, subjects: int | None, classes: int) -> Predictions:
    """Draw predictions of so many test images, and of some validation images, of so many subjects (None: unknown)."""
    names = tuple(f"c{number:02}" for number in range(classes))
    parts = [("validation", max(classes, round(VALIDATION * images))), ("test", images)]
    frame = pd.concat([_part(part, count, subjects, names) for part, count in parts], ignore_index=True)
    about = {"name": "drawn", "source": "synthetic", "synthetic": True, "protocol": "subject", "seed": 0}
    return Predictions(frame, names, names[1] if classes == 2 else None, about)


def _part(part: str, images: int, subjects: int | None, classes: tuple[str, ...]) -> pd.DataFrame:
    rng = np.random.default_rng(len(part))
    labels = np.arange(images) % len(classes)
    logits = rng.normal(scale=1.4, size=(images, len(classes)))
    logits[np.arange(images), labels] += SKILL
    probabilities = softmax(logits, axis=1)
    numbers = pd.Series(np.arange(images)).astype(str)
    frame = pd.DataFrame({"image_id": part + numbers, "path": part + numbers + ".png"})
    frame = frame.assign(label=np.array(classes, object)[labels], subject=None, part=part, cell=None, kind=None)
    frame = frame.assign(width=300, height=200, group=None, uncertainty=uncertainty_of(probabilities))
    if subjects is not None:
        # Their images have consecutive numbers, so that each has several classes.
        frame["subject"] = part + pd.Series(np.arange(images) * subjects // images).astype(str)
    frame[[PROBABILITY_PREFIX + name for name in classes]] = probabilities
    return frame


def _pictures() -> Iterator[bytes]:
    rng = np.random.default_rng(0)
    for _ in range(PICTURES):
        yield encode(rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8), SIDE)


def _evaluation(classes: int, with_subjects: bool) -> Callable[[int, Path], Work]:
    return partial(evaluation, classes=classes, with_subjects=with_subjects)


PARTS = (
    Part("evaluation, 24 classes", "images", IMAGES, _evaluation(CLASSES, False)),
    Part("evaluation, two classes, by subject", "images", IMAGES, _evaluation(2, True)),
    Part(f"evaluation of {IMAGES_OF_SUBJECTS:,} images", "subjects", SUBJECTS, evaluation_of_subjects),
    Part("report page", "images", IMAGES, report),
    *(
        Part(f"ensemble weights, {method}", "members", MEMBERS, partial(ensemble, method=method))
        for method in ("greedy", "genetic", "stacking")
    ),
)
