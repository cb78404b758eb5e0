"""Tables of the layers of networks, as papers 001 and 004 print them."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from common.cli import console, say
from common.config.compose import compose_config
from common.config.schema import Config
from common.errors import UserError
from common.files import write_csv
from common.paths import ROOT
from common.runs.run import ModelFacts, Run
from evaluation.claims import read_claims
from evaluation.renderers import frame_table
from lightning_modules.backbones.backbone import build_backbone
from lightning_modules.backbones.layer_table import Layer, ParameterCounts, count, count_as_keras, layers_of
from lightning_modules.build import assemble
from lightning_modules.classifier import Classifier
from lightning_modules.training.plan import stages_of

RESULTS = ROOT / "results"
# Of sources whose images need not be listed to know their classes.
CLASSES = {"chromosomes": 24, "synthetic_chromosomes": 24, "mnist": 10, "cifar10": 10}


def summarise_networks(words: Sequence[str], depth: int, classes: int | None, csv: Path | None) -> None:
    """Print the table of layers of each run, or of the network that overrides describe, and write the table.

    Raises:
        UserError: There is neither a run nor an experiment, or the number of classes is not known.
    """
    tables = []
    for config, number in _networks(words, classes):
        table = _summarise(config, number, depth)
        tables.append(table.assign(network=config.name))
    if csv:
        write_csv(csv, pd.concat(tables, ignore_index=True))
        say(str(csv))


def _networks(words: Sequence[str], classes: int | None) -> list[tuple[Config, int]]:
    overrides = [word for word in words if "=" in word and not Path(word).exists()]
    if not overrides:
        runs = [Run.open(Path(word)) for word in words]
        return [(run.config, len(run.data.classes)) for run in runs]
    if len(overrides) < len(words):
        raise UserError("name either runs or overrides such as +experiment=vgg16_features, not both")
    config = compose_config(overrides)
    return [(config, classes or _classes_of(config))]


def _classes_of(config: Config) -> int:
    if config.head.logits is not None:
        return max(config.head.logits, 2)
    if config.data.source not in CLASSES:
        raise UserError(f"the number of classes of data={config.data.source} is in its images: add --classes N")
    return CLASSES[config.data.source]


def build_untrained(config: Config, classes: int) -> Classifier:
    """Build the network of a configuration with random weights; no weights file is read."""
    backbone = build_backbone(config.model.name, config.model.args, config.model.cut, config.prepare.size)
    return assemble(config, backbone, ModelFacts([0.5] * 3, [0.5] * 3, config.model.args), classes)


def _summarise(config: Config, classes: int, depth: int) -> pd.DataFrame:
    """Print the layers of a network as they are in the last stage, and its counts in each stage; return the layers."""
    classifier = build_untrained(config, classes)
    rows = []
    for name, stage in stages_of(config).items():
        classifier.configure_stage(stage)
        counts = count(classifier)
        keras = count_as_keras(classifier, config.model.name)
        row = {"stage": name, "parameters": counts.total, "trainable": counts.trainable}
        rows.append(row | {"as Keras counts": keras.total, "trainable (Keras)": keras.trainable})
    layers = shown(layers_of(classifier, config.prepare.shape), depth)
    table = pd.DataFrame([_row(layer) for layer in layers])
    height, width = config.prepare.shape
    cut = f" to {config.model.cut}" if config.model.cut else ""
    title = f"{config.name}: {config.model.name}{cut}, images of {width} x {height}"
    console.print(frame_table(table, title), frame_table(pd.DataFrame(rows)))
    for line in _printed(config.name, keras):
        console.print(line)
    return table


def shown(layers: Sequence[Layer], depth: int) -> list[Layer]:
    """Return the layers of a table: the backbone's modules of a depth, and those without modules above it; the head's.

    Depth 1 is the backbone as one row, 2 its parts, and so on; 0 all modules that have none in them.
    """
    rows = []
    for layer in layers:
        wanted = depth
        if layer.name.startswith("head"):
            wanted = 2 if depth else 0
        if layer.is_leaf and (not wanted or layer.depth <= wanted) or layer.depth == wanted:
            rows.append(layer)
    return rows


def _row(layer: Layer) -> dict[str, object]:
    shape = "-" if layer.shape is None else " x ".join(map(str, layer.shape))
    row = {"layer": layer.name, "kind": layer.kind, "output": shape}
    return row | {"parameters": layer.parameters, "trainable": layer.trainable}


def _printed(experiment: str, keras: ParameterCounts) -> list[str]:
    """Say whether the counts that a paper prints for an experiment are those of the last stage, as Keras counts."""
    claims = read_claims(RESULTS)
    claims = claims[claims["experiment"] == experiment]
    lines = []
    for claim in claims.itertuples():
        for words, ours in (("total params", keras.total), ("trainable", keras.trainable)):
            printed = re.search(rf"{words} (\d+)", claim.note)
            if printed:
                same = "the same" if int(printed[1]) == ours else f"ours {ours:,}"
                lines.append(f"paper {claim.paper}, {claim.section}: {words} {int(printed[1]):,}: {same}")
    return lines
