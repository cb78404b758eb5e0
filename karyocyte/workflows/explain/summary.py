"""Tables of the layers of networks, as papers 001 and 004 print them."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from karyocyte.common.cli import console, say
from karyocyte.common.errors import UserError
from karyocyte.common.files import write_csv
from karyocyte.composition.compose import compose_config
from karyocyte.config.command import is_override
from karyocyte.config.schema import Config, as_classifier
from karyocyte.evaluation.tables.renderers import frame_table
from karyocyte.runs.facts import ModelFacts
from karyocyte.runs.run import Run
from karyocyte.runs.stages import stages_of
from lightning_modules.backbones.backbone import build_backbone
from lightning_modules.build.build import parameters_of
from lightning_modules.build.create import CLASSES
from lightning_modules.build.layer_table import count_as_keras, layers_of
from lightning_modules.modules.classifier import Classifier
from lightning_modules.modules.staged_module import count_parameters


def summarise_networks(words: Sequence[str], csv: Path | None) -> None:
    """Print the table of layers of each run, or of the network that overrides describe, and write the table.

    Raises:
        UserError: There is neither a run nor an experiment, or the number of classes is not known.
    """
    networks = _networks(words)
    tables = [_summarise(config, classes).assign(network=config.name) for config, classes in networks]
    if csv:
        write_csv(csv, pd.concat(tables, ignore_index=True))
        say(str(csv))


def _networks(words: Sequence[str]) -> list[tuple[Config, int]]:
    overrides = [word for word in words if is_override(word.lstrip("+"))]
    if not overrides:
        return [(run.config, len(run.data.classes)) for run in map(Run.open, map(Path, words))]
    if len(overrides) < len(words):
        raise UserError("name either runs or overrides such as +experiment=vgg16_features, not both")
    config = as_classifier(compose_config(overrides))
    return [(config, _classes_of(config))]


def _classes_of(config: Config) -> int:
    if config.head.logits is not None:
        return max(config.head.logits, 2)
    if config.data.source not in CLASSES:
        raise UserError(f"the number of classes of data={config.data.source} is in its images: add head.logits=N")
    return CLASSES[config.data.source]


def build_untrained(config: Config, classes: int) -> Classifier:
    """Build the network of a configuration with random weights; no weights file is read."""
    backbone = build_backbone(config.model.name, config.model.args, config.model.cut, config.prepare.size)
    facts = ModelFacts([0.5] * 3, [0.5] * 3, config.model.args)
    return Classifier.from_parameters(parameters_of(config, facts, classes), backbone)


def _summarise(config: Config, classes: int) -> pd.DataFrame:
    """Print the layers of a network as they are in the last stage, and its counts in each stage; return the layers."""
    classifier = build_untrained(config, classes)
    rows = []
    for name, stage in stages_of(config).items():
        classifier.configure_stage(stage)
        trainable, total = count_parameters(classifier)
        of_keras, total_of_keras = count_as_keras(classifier, config.model.name)
        row = {"stage": name, "parameters": total, "trainable": trainable}
        rows.append(row | {"as Keras counts": total_of_keras, "trainable (Keras)": of_keras})
    table = layers_of(classifier, config.prepare.shape)
    height, width = config.prepare.shape
    network = " to ".join(filter(None, [config.model.name, config.model.cut]))
    title = f"{config.name}: {network}, images of {width} x {height}"
    console.print(frame_table(table, title), frame_table(pd.DataFrame(rows)))
    return table
