"""The images of a run that are explained, with its predictions for them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from common.errors import UserError
from common.predictions import FACTS, Predictions
from common.runs.predicted import Predicted, to_predictions
from common.runs.run import Run
from datamodules.inference.run_images import RunImages, from_files
from evaluation.examples import ranked, showcase
from evaluation.metrics.classification import call
from lightning_modules.load import TrainedRun, load_run
from workflows.explain.layers import Model, to_batch
from workflows.explain.masks import COMPOSED, AbnormalityMask, AbnormalityMasks
from workflows.explain.request import PREDICTED, TRUE, ExplainRequest

DEFAULT_COUNT = 12  # images of which=... without samples=...


@dataclass(frozen=True, eq=False)
class SelectedImages:
    """A run and the images that are explained.

    Attributes:
        run: With its model.
        whole: Its predictions for its whole test part.
        test: Its predictions for these images, a row each.
        reasons: Why each is shown; may be empty strings.
        images: The network's inputs, uint8 RGB, shape (H, W, 3), by row.
        rows: The row of each image in ``images`` and ``masks``.
        masks: The places of the abnormalities; None for other images than composed karyograms.
    """

    run: TrainedRun
    whole: Predictions
    test: Predictions
    reasons: list[str]
    images: np.ndarray | RunImages
    rows: np.ndarray
    masks: AbnormalityMasks | None = None

    @property
    def predicted(self) -> np.ndarray:
        """The predicted class of each image, int64, shape (N,)."""
        return call(self.test.probabilities, self.test.positive_index)

    def __len__(self) -> int:
        return len(self.rows)

    def image(self, number: int) -> np.ndarray:
        """Return an image, uint8 RGB, shape (H, W, 3)."""
        return np.asarray(self.images[int(self.rows[number])])

    def mask(self, number: int) -> AbnormalityMask | None:
        """Return the place of the abnormality of an image; None where it is unknown or nothing of it is left."""
        row = int(self.rows[number])
        if self.masks is None or row not in self.masks:
            return None
        mask = self.masks[row]
        return mask if mask.place.any() else None

    def take(self, numbers: Sequence[int]) -> "SelectedImages":
        """Return some of the images."""
        test = replace(self.test, frame=self.test.frame.iloc[numbers].reset_index(drop=True))
        reasons = [self.reasons[number] for number in numbers]
        return replace(self, test=test, reasons=reasons, rows=self.rows[list(numbers)])


def select_images(run: Run, request: ExplainRequest, ids: Sequence[tuple[str, str]] | None = None) -> SelectedImages:
    """Load a run and select images: files, test images by their ids with the reason to show each, or see ``choose``."""
    trained = load_run(run.folder)
    config = request.config(trained.config)
    whole = run.predictions.part("test")
    if request.images:
        samples = from_files(request.images, config)
        test = _predict_files(trained, samples.images, samples.names, files_about(whole.about))
        rows = np.arange(len(samples.images))
        return SelectedImages(trained, whole, test, [""] * len(rows), samples.images, rows)
    if ids is None:
        chosen = choose(whole, request, str(run.folder))
    else:
        row_of = {image_id: row for row, image_id in enumerate(whole.frame["image_id"])}
        chosen = [(row_of[image_id], reason) for image_id, reason in ids]
    test = replace(whole, frame=whole.frame.iloc[[row for row, _ in chosen]].reset_index(drop=True))
    images = RunImages(config)
    rows = images.rows(run.folder, test.frame["image_id"])
    masks = AbnormalityMasks(images.manifest, config) if config.data.source == COMPOSED else None
    return SelectedImages(trained, whole, test, [reason for _, reason in chosen], images, rows, masks)


def choose(test: Predictions, request: ExplainRequest, run: str) -> list[tuple[int, str]]:
    """Choose rows of a test part: those of ``which``, all, ``samples`` of each class in turn, or a showcase.

    Returns:
        Rows, each with the reason to show it, which may be empty.

    Raises:
        UserError: There is no such image; ``run`` is the name of the run in the message.
    """
    settings = request.settings
    if settings.which:
        rows = ranked(test, settings.which)
        if not rows:
            raise UserError(f"{run}: no test image is {settings.which}: leave which out")
        if not settings.all:
            rows = rows[: settings.samples or DEFAULT_COUNT]
    elif settings.all:
        # The notable ones come first: a figure has no room for all.
        first = dict(showcase(test)) if (test.labels >= 0).any() else {}
        rest = [row for row in range(len(test.frame)) if row not in first]
        return [*first.items(), *((row, "") for row in rest)]
    elif settings.samples:
        frame = pd.DataFrame({"label": test.labels})
        frame["turn"] = frame.groupby("label").cumcount()
        labelled = frame[frame["label"] >= 0].sort_values(["turn", "label"], kind="stable")
        rows = labelled.index[: settings.samples].tolist()
    else:
        return showcase(test)
    if not rows:
        raise UserError(f"{run} has no labelled test images: name image files after the run")
    return [(row, "") for row in rows]


def target_classes(selected: SelectedImages, target: str) -> list[int]:
    """Return the class, as an index, that each image's map is for; it must exist and be known of each image."""
    classes = selected.test.classes
    if target in classes:
        return [classes.index(target)] * len(selected)
    if target not in (PREDICTED, TRUE):
        raise UserError(f"target={target}: say {PREDICTED}, {TRUE}, or a class: {', '.join(classes)}")
    targets = selected.predicted if target == PREDICTED else selected.test.labels
    if (targets < 0).any():
        image = selected.test.frame["image_id"].iloc[int(np.argmax(targets < 0))]
        raise UserError(f"target={TRUE}: the class of {image} is unknown: say {PREDICTED}, or a class")
    return [int(index) for index in targets]


def model_of(run: TrainedRun) -> Model:
    """Return the model of a run with its layers."""
    backbone = run.classifier.backbone
    # timm's models have these attributes; another network may not.
    stages = getattr(backbone, "feature_info", ())
    prefix_tokens = getattr(backbone, "num_prefix_tokens", 0)
    return Model(run.classifier, run.layers(), stages, prefix_tokens)


def files_about(about: dict[str, Any]) -> dict[str, Any]:
    """Return facts of a run for image files, which are not the images that it was trained on."""
    trained_on = "SYNTHETIC images" if about.get("synthetic") else about.get("source")
    return about | {"source": f"trained on {trained_on}", "synthetic": False}


def short_name(name: str, length: int) -> str:
    """Return the last part of an image's name, shortened from the left where it is longer than ``length``."""
    last = name.split("/")[-1]
    return last if len(last) <= length else f"…{last[1 - length :]}"


def facts_of(run: TrainedRun, about: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of a table of results that say which run a row is about."""
    return {
        "run": "/".join(run.folder.resolve().parts[-3:]),  # the same wherever output_dir is
        "experiment": run.config.name,
        "network": run.network,
        **{key: about.get(key) for key in ("protocol", "fold", "seed", "revision")},
    }


def _predict_files(run: TrainedRun, images: np.ndarray, names: Sequence[str], about: dict[str, Any]) -> Predictions:
    probabilities = []
    with torch.no_grad():
        for image in images:
            logits = run.classifier(to_batch(image[None]))
            probabilities.append(run.classifier.probabilities(logits.float()))
    rows = np.arange(len(images))
    frame = pd.DataFrame({**dict.fromkeys(FACTS), "image_id": list(names), "path": list(names)}, index=rows)
    predicted = Predicted(rows, torch.cat(probabilities).double().numpy())
    return to_predictions(predicted, frame, pd.Series("test", rows), run.classes, run.positive_class, about)
