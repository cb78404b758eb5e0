"""The images of a run that are explained, with its predictions for them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from common.config.schema import Config
from common.errors import UserError
from common.predictions import PROBABILITY_PREFIX, Predictions, uncertainty_of
from common.runs.run import Run
from datamodules.inference.abnormality_masks import COMPOSED, AbnormalityMask, AbnormalityMasks
from datamodules.inference.run_images import RunImages, Samples, from_files
from evaluation.error_analysis.examples import ranked, showcase
from evaluation.explain.activations import Model, to_batch
from evaluation.metrics.classification import call
from lightning_modules.load import TrainedRun, load_run
from workflows.explain.requests import PREDICTED, TRUE, ImageSelection

DEFAULT_COUNT = 12  # images of --which without --samples


@dataclass(frozen=True, eq=False)
class SelectedImages:
    """A run and the images that are explained.

    Attributes:
        run: With its model.
        whole: Its predictions for its whole test part.
        test: Its predictions for these images, a row each.
        reasons: Why each is shown; may be empty strings.
        image: Returns an image by its number, uint8 RGB, shape (H, W, 3), the network's input.
        mask: Returns the place of the abnormality of an image; None where it is unknown or nothing of it is left.
    """

    run: TrainedRun
    whole: Predictions
    test: Predictions
    reasons: list[str]
    image: Callable[[int], np.ndarray]
    mask: Callable[[int], AbnormalityMask | None]

    @property
    def predicted(self) -> np.ndarray:
        """The predicted class of each image, int64, shape (N,)."""
        return call(self.test.probabilities, self.test.positive_index)

    def __len__(self) -> int:
        return len(self.test.frame)


def select_images(run: Run, images: ImageSelection, ids: Sequence[tuple[str, str]] | None = None) -> SelectedImages:
    """Load a run and select images.

    Args:
        run: The run.
        images: Which images.
        ids: Image ids of its test part, each with the reason to show it; None: see ``choose``.

    Raises:
        UserError: See ``load_run``, ``datamodules.inference.run_images`` and ``choose``.
    """
    trained = load_run(run.folder)
    config = with_data_dir(trained.config, images.data_dir)
    whole = run.predictions.part("test")
    if images.files:
        samples = from_files(list(images.files), config)
        test = _predict(trained, samples, files_about(whole.about))
        return SelectedImages(trained, whole, test, [""] * len(test.frame), lambda n: samples.images[n], lambda n: None)
    if ids is None:
        chosen = choose(whole, images, str(run.folder))
    else:
        row_of = {image_id: row for row, image_id in enumerate(whole.frame["image_id"])}
        chosen = [(row_of[image_id], reason) for image_id, reason in ids]
    test = replace(whole, frame=whole.frame.iloc[[row for row, _ in chosen]].reset_index(drop=True))
    run_images = RunImages(config)
    rows = run_images.rows(run.folder, test.frame["image_id"])
    masks = AbnormalityMasks(run_images.manifest, config) if config.data.source == COMPOSED else None

    def mask_of(number: int) -> AbnormalityMask | None:
        row = int(rows[number])
        if masks is None or row not in masks:
            return None
        mask = masks[row]
        return mask if mask.place.any() else None

    reasons = [reason for _, reason in chosen]
    return SelectedImages(trained, whole, test, reasons, lambda number: run_images[rows[number]], mask_of)


def choose(test: Predictions, images: ImageSelection, run: str) -> list[tuple[int, str]]:
    """Choose rows of a test part.

    Args:
        test: The test part.
        images: Which images.
        run: Name of the run in errors.

    Returns:
        Rows, each with the reason to show it (may be empty).

    Raises:
        UserError: There is no such image.
    """
    if images.which:
        rows = ranked(test, images.which)
        if not rows:
            raise UserError(f"{run}: no test image is {images.which}: leave --which out")
        if not images.every:
            rows = rows[: images.samples or DEFAULT_COUNT]
    elif images.every:
        # The notable ones come first: a figure has no room for all.
        first = dict(showcase(test)) if (test.labels >= 0).any() else {}
        rest = [row for row in range(len(test.frame)) if row not in first]
        return [*first.items(), *((row, "") for row in rest)]
    elif images.samples:
        frame = pd.DataFrame({"label": test.labels})
        frame["turn"] = frame.groupby("label").cumcount()
        rows = frame[frame["label"] >= 0].sort_values(["turn", "label"], kind="stable").index[: images.samples].tolist()
    else:
        return showcase(test)
    if not rows:
        raise UserError(f"{run} has no labelled test images: name files with --images")
    return [(row, "") for row in rows]


def target_classes(selected: SelectedImages, target: str) -> list[int]:
    """Return the class, as an index, that each image's map is for.

    Raises:
        UserError: There is no such class, or the true class of an image is unknown.
    """
    classes = selected.test.classes
    if target in classes:
        return [classes.index(target)] * len(selected)
    if target not in (PREDICTED, TRUE):
        raise UserError(f"target {target}: say {PREDICTED}, {TRUE}, or a class: {', '.join(classes)}")
    targets = selected.predicted if target == PREDICTED else selected.test.labels
    if (targets < 0).any():
        image = selected.test.frame["image_id"].iloc[int(np.argmax(targets < 0))]
        raise UserError(f"target {TRUE}: the class of {image} is unknown: say {PREDICTED}, or a class")
    return [int(index) for index in targets]


def model_of(run: TrainedRun) -> Model:
    """Return the model of a run with its layers."""
    backbone = run.classifier.backbone
    # timm's models have these attributes; another network may not.
    stages = getattr(backbone, "feature_info", ())
    prefix_tokens = getattr(backbone, "num_prefix_tokens", 0)
    return Model(run.classifier, run.layers(), stages, prefix_tokens)


def with_data_dir(config: Config, data_dir: str | None) -> Config:
    """Return the configuration with the place where the images are now."""
    return config if data_dir is None else config.model_copy(update={"data_dir": data_dir})


def files_about(about: dict[str, Any]) -> dict[str, Any]:
    """Return facts of a run for image files, which are not the images that it was trained on."""
    trained_on = "SYNTHETIC images" if about.get("synthetic") else about.get("source")
    return about | {"source": f"trained on {trained_on}", "synthetic": False}


def short_name(name: str, length: int) -> str:
    """Return the last part of an image's name, shortened from the left where it is longer than ``length``."""
    last = name.split("/")[-1]
    return last if len(last) <= length else f"…{last[1 - length :]}"


def address(run: TrainedRun) -> str:
    """Return the last folders of a run's path, which are the same wherever output_dir is."""
    return "/".join(run.folder.resolve().parts[-3:])


def _predict(run: TrainedRun, samples: Samples, about: dict[str, Any]) -> Predictions:
    """Predict image files."""
    batches = []
    with torch.no_grad():
        for image in samples.images:
            outputs = run.classifier.predict_step({"image": to_batch(image[None]), "index": None}, 0)
            batches.append(outputs["probability"])
    probabilities = torch.cat(batches).double().numpy()
    frame = pd.DataFrame({"image_id": samples.names, "label": None, "uncertainty": uncertainty_of(probabilities)})
    for place, name in enumerate(run.classes):
        frame[PROBABILITY_PREFIX + name] = probabilities[:, place]
    return Predictions(frame, run.classes, run.positive_class, about)
