"""The images of another data set as a run knows them: their classes, and which of them it has seen before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from datamodules.inference.external_datamodule import (
    LEARNED,
    ExternalDataModule,
    SeenImages,
    assign_parts,
    read_seen_images,
    scan_external,
)
from datamodules.manifest.manifest import Manifest, content_hash
from datamodules.manifest.splits import TEST
from karyocyte.common.cli import console, say
from karyocyte.common.errors import UserError
from karyocyte.composition.compose import compose_config
from karyocyte.config.schema import Config, as_classifier
from karyocyte.runs.run import Run
from karyocyte.workflows.evaluation.evaluate_request import DATA_KEYS

FLAG = "--map"


@dataclass(frozen=True)
class ExternalDataset:
    """Another data set: its name, its images under its own labels, and the classes of ``parse_map``.

    ``config`` has its ``data``, ``data_dir`` and ``cache_dir``.
    """

    name: str
    scanned: Manifest
    config: Config
    class_map: dict[str, str | None]


@dataclass(frozen=True)
class ExternalImages:
    """The images of another data set as a run knows them.

    ``classes`` are the run's class of each class of the data set (None: left out). ``images`` has the run's class of
    each image (``label``), the part of the run that holds it (``seen``), and its ``part``, "test" where it is
    predicted.
    """

    run: Run
    dataset: ExternalDataset
    seen: SeenImages
    classes: dict[str, str | None]
    images: pd.DataFrame

    @property
    def is_tested(self) -> pd.Series:
        """Which images are predicted, bool."""
        return self.images["part"] == TEST

    def data_module(self, progress: bool) -> ExternalDataModule:
        """Return the data module of the images, prepared like the run's own."""
        facts = self.run.data
        config = self.run.config
        update = {key: getattr(self.dataset.config, key) for key in DATA_KEYS}
        if config.protocol == "paper":
            update["protocol"] = "image"  # the other would copy images of some sources before the split
        frame = self.dataset.scanned.frame.assign(label=self.images["label"])
        manifest = replace(
            self.dataset.scanned, frame=frame, classes=facts.classes, positive_class=facts.positive_class
        )
        parts = self.images["part"]
        return ExternalDataModule(
            config.model_copy(update=update), self.dataset.scanned, manifest, parts, progress=progress
        )

    def facts(self) -> dict[str, Any]:
        """Return the numbers of images that are predicted or left out, and why."""
        scanned = self.dataset.scanned
        names = scanned.frame["label"]
        own = pd.Series(self.classes, dtype=object)
        left_out: dict[str, Any] = {"unlabelled": int(names.isna().sum())}
        left_out["classes"] = names.value_counts().reindex(own.index[own.isna()]).to_dict()
        seen = self.images["seen"][self.images["label"].notna()]
        left_out |= seen.value_counts().reindex(LEARNED, fill_value=0).to_dict()
        about = self.run.predictions.about
        return {
            "name": self.dataset.name,
            "source": scanned.source,
            "data": content_hash(scanned)[:8],
            "images": len(self.images),
            "tested": int(self.is_tested.sum()),
            "classes": self.classes,
            "left_out": left_out,
            "in_own_test": int((self.is_tested & (self.images["seen"] == TEST)).sum()),
            "trained": str(self.run.folder),
            "trained_with": about.get("revision"),
            "leaks_within": about.get("leaks"),
            "namesakes": self.seen.namesakes(scanned.frame["subject"][self.is_tested], self.run.data.persons),
        }

    def notes(self, facts: dict[str, Any]) -> list[str]:
        """Return what limits the independence of the data set, without names of subjects."""
        notes = []
        for part in LEARNED:
            count = int((self.images["seen"] == part).sum())
            if count:
                notes.append(f"{count:,} of its images are of the run's {part} part and are left out")
        if facts["in_own_test"]:
            notes.append(f"{facts['in_own_test']:,} of the images are of the run's own test part: they are not new")
        if facts["namesakes"]:
            notes.append(
                f"{len(facts['namesakes']):,} subjects have the names of subjects that the run learned from (data.json "
                "lists them): if they are the same, this is no external validation"
            )
        if self.seen.lost:
            notes.append(f"the training images of {self.seen.lost[0]}, which the run started from, are unknown")
        return notes


def read_dataset(overrides: Sequence[str], mapped: Sequence[str], run: Run) -> ExternalDataset:
    """Scan another data set, by keys of DATA_KEYS (``overrides``), with the classes of ``--map`` (``mapped``).

    ``run`` has the positive class, and the cache.

    Raises:
        UserError: The data set cannot be read, or no image has a label.
    """
    class_map = parse_map(mapped)
    positive_class = str(run.data.positive_class)
    positive = [name for name, own_name in class_map.items() if own_name == positive_class]
    config = as_classifier(compose_config(list(overrides)))
    if not any(override.startswith("cache_dir=") for override in overrides):
        config = config.model_copy(update={"cache_dir": run.config.cache_dir})
    scanned, config = scan_external(config, [*positive, positive_class], console.is_terminal)
    say(f"{scanned.source}: {len(scanned.frame):,} images in {scanned.root}", *scanned.remarks)
    if scanned.frame["label"].isna().all():
        raise UserError("no image of the other data set has a label, so there is no metric: predict.py predicts them")
    name = scanned.source
    if config.data_dir is not None and not scanned.synthetic:
        name = Path(config.data_dir).resolve().name.removesuffix(".zip")
    return ExternalDataset(name, scanned, config, class_map)


def match_images(run: Run, dataset: ExternalDataset) -> ExternalImages:
    """Find the run's class of each image of a data set, and what of it the run has seen.

    Raises:
        UserError: The classes do not fit, or no image is left.
    """
    frame = dataset.scanned.frame
    seen = read_seen_images(run, run.config.init_from)
    named = [name for name in dataset.scanned.classes if (frame["label"] == name).any()]
    classes = map_classes(named, run.data.classes, dataset.class_map)
    labels = pd.Series(map(classes.get, frame["label"]), frame.index, dtype=object)
    seen_in = seen.part_of(frame["sha256"])
    parts = assign_parts(labels, seen_in)
    if not (parts == TEST).any():
        raise UserError(f"{run.folder} was trained or validated on every image of {dataset.name} that has a class")
    images = pd.DataFrame({"label": labels, "seen": seen_in, "part": parts})
    return ExternalImages(run, dataset, seen, classes, images)


def parse_map(pairs: Sequence[str]) -> dict[str, str | None]:
    """Read what a user typed behind ``--map``: the run's class of each named one, None of one that is left out.

    Such as "blast_1=all"; "platelet=" leaves a class out.

    Raises:
        UserError: There is no "=" or there are several, no class precedes it, or a class is named twice.
    """
    mapping: dict[str, str | None] = {}
    for pair in pairs:
        theirs, equals, ours = pair.partition("=")
        if not theirs or not equals or "=" in ours:
            raise UserError(
                f"{FLAG} {pair}: write <class of the other set>=<class of the run>, or <class>= to leave out"
            )
        if theirs in mapping:
            raise UserError(f"{FLAG} {pair}: {theirs} is named twice: say once what it is")
        mapping[theirs] = ours or None
    return mapping


def map_classes(theirs: Sequence[str], ours: Sequence[str], mapping: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return the run's class (one of ``ours``) of each class of another set (``theirs``); None: left out.

    ``mapping`` is what ``parse_map`` read; classes that are not named there go by their own name.

    Raises:
        UserError: ``mapping`` names a class that one of the two does not have, a class has no counterpart, or all are
            left out.
    """
    listed = ", ".join(theirs)
    own_listed = ", ".join(ours)
    for name, own in mapping.items():
        if name not in theirs:
            raise UserError(f"{FLAG} {name}=...: the other set has no such class; it has {listed}")
        if own not in (None, *ours):
            raise UserError(f"{FLAG} {name}={own}: the run has no class {own}; it has {own_listed}")
    lost = [name for name in theirs if name not in (*mapping, *ours)]
    if lost:
        remedy = f"say what each is, {FLAG} {lost[0]}={ours[0]}, or leave it out, {FLAG} {lost[0]}="
        raise UserError(f"the run has no class {', '.join(lost)}, it has {own_listed}: {remedy}")
    mapped = {name: mapping.get(name, name) for name in theirs}
    # Without any class no image has a label: there is nothing to leave out.
    if theirs and not any(mapped.values()):
        raise UserError(f"{FLAG} leaves out every class of the other set: map at least one of {listed}")
    return mapped
