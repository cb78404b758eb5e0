"""Karyograms composed from the single chromosomes of cells: real ones, and abnormal ones derived from real normal ones.

The class of a real cell is told by its counts. What is derived keeps its parent's cell and subject: no split by subject
puts the two on different sides.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal

import pandas as pd
from pydantic import Field

from common.config.base import FROM_YAML
from common.config.data import AugmentedConfig
from common.errors import UserError
from common.files import read_csv, sha256_of_value
from common.karyotype import ABNORMAL, NORMAL, PREPARATION_LOSS, Karyotype, name_karyotype
from datamodules.io.whole_folder import make_once
from datamodules.manifest.manifest import Manifest, content_hash, listed, natural_key, order_classes
from datamodules.manifest.scan import scan_listing
from datamodules.sources import SourceContext, list_images, source
from datamodules.sources.chromosomes import ChromosomesConfig
from datamodules.sources.folder import expand_karyograms
from datamodules.sources.synthetic_chromosomes import SyntheticChromosomesConfig
from datamodules.synthesis.aberrations.numerical import check_changes
from datamodules.synthesis.config import CompositionConfig
from datamodules.synthesis.karyogram_writer import (
    COMPOSER_VERSION,
    DERIVED,
    PLACES,
    REAL,
    is_whole,
    read_karyograms,
    write_karyograms,
)

_DRAWN_BY = {"sheet", "derived", "gained", "segment", "preparation_loss", "seed"}  # the keys that change a picture


class ComposedKaryogramsConfig(CompositionConfig, defaults="data/composed_karyograms"):
    """Karyograms composed from single chromosomes, with known truth."""

    source: Literal["composed_karyograms"]
    chromosomes: Annotated[ChromosomesConfig | SyntheticChromosomesConfig, Field(discriminator="source")]
    parents: Literal["keep", "leave_out"] = FROM_YAML
    preparation_loss: Literal["leave_out", "class"] = FROM_YAML
    augmented: AugmentedConfig = FROM_YAML


@source(ComposedKaryogramsConfig, expand=expand_karyograms)
def list_composed_karyograms(data: ComposedKaryogramsConfig, context: SourceContext) -> Manifest:
    """Compose the karyograms of all cells into ``<cache_dir>/composed-<hash>/``, unless they are there, and list them.

    What is in that folder, `karyogram_writer.write_karyograms` says. Cells whose counts make no sure karyotype are
    left out; so are those that lack one autosome, unless ``data.preparation_loss=class``: then they are a third class.

    Raises:
        UserError: The cells are not known; one class only is left; more is to be derived than there are cells fit for
            it; the positive class does not fit; or the sheet is too small.
    """
    check_changes(data)  # before thousands of chromosomes are drawn or read
    try:
        chromosomes = _scan_whole_cells(data.chromosomes, context)
    except UserError as error:
        keys = "|".join(type(data.chromosomes).model_fields)
        raise UserError(re.sub(rf"\bdata\.({keys})\b", r"data.chromosomes.\1", str(error))) from error
    used: dict[str, Karyotype] = {}
    unused: Counter[str] = Counter()
    for cell, labels in chromosomes.frame.groupby("cell", sort=False)["label"]:
        karyotype = name_karyotype(Counter(labels))
        if karyotype.label is None or (karyotype.label == PREPARATION_LOSS and data.preparation_loss == "leave_out"):
            unused[karyotype.kind] += 1
        else:
            used[str(cell)] = karyotype
    classes = _classes(data, used)
    facts = {**data.model_dump(mode="json", include=_DRAWN_BY), "chromosomes": content_hash(chromosomes)}
    folder = context.cache_dir / f"composed-{sha256_of_value({**facts, 'version': COMPOSER_VERSION})[:8]}"
    make_once(folder, lambda place: write_karyograms(data, chromosomes, used, place, context.progress), is_whole)
    table = read_karyograms(folder)
    if data.parents == "leave_out":
        table = _without_parents(table)
    return Manifest(
        listed(table.rename(columns={"origin": "group"})),
        folder,
        classes,
        data.positive_class,
        data.source,
        notes=(*chromosomes.notes, *_notes(data, table, unused)),
        synthetic=chromosomes.synthetic,
        places=read_csv(folder / PLACES, dtype={"image_id": str, "chromosome": str}),
        skipped=chromosomes.skipped,
    )


def _scan_whole_cells(data: ChromosomesConfig | SyntheticChromosomesConfig, context: SourceContext) -> Manifest:
    """Scan single chromosomes, without cells of which a picture was broken: by their counts they would be abnormal."""
    listing = list_images(data, context.data_dir, context.cache_dir, context.progress)
    chromosomes = scan_listing(listing, data.on_broken, context.cache_dir, context.progress)
    frame = chromosomes.frame
    nameless = frame["cell"].isna()
    if nameless.any():
        first = frame["image_id"][nameless].iloc[0]
        remedy = "set data.cell_column, or data.cell_regex"
        raise UserError(f"{chromosomes.root}: {first} has no cell, and karyograms are composed by cell: {remedy}")
    unreadable = ~listing.frame["image_id"].isin(frame["image_id"])
    broken = set(listing.frame.loc[unreadable, "cell"].astype(str))
    if not broken:
        return chromosomes
    names = [f"cell {name}" for name in sorted(broken, key=natural_key)]
    note = f"{len(names):,} cells left out, since a chromosome of theirs is broken"
    return replace(
        chromosomes,
        frame=frame[~frame["cell"].isin(broken)].reset_index(drop=True),
        notes=(*chromosomes.notes, note),
        skipped=(*chromosomes.skipped, *names),
    )


def _classes(data: ComposedKaryogramsConfig, used: Mapping[str, Karyotype]) -> tuple[str, ...]:
    """The order of the classes: the two, or with preparation losses three."""
    present = {str(karyotype.label) for karyotype in used.values()}
    for kind, count in data.derived.model_dump().items():
        if count:
            present.add(PREPARATION_LOSS if kind == "autosome_loss" else ABNORMAL)
    if data.preparation_loss == "leave_out":
        if PREPARATION_LOSS in present:
            problem = f"data.derived.autosome_loss={data.derived.autosome_loss} makes preparation losses, left out here"
            raise UserError(f"{problem}: say data.preparation_loss=class, or derive none")
        return order_classes(present, data.positive_class)
    if data.positive_class is not None:
        problem = f"data.positive_class={data.positive_class} has no meaning with three classes"
        raise UserError(f"{problem} (data.preparation_loss=class): say data.positive_class=null")
    classes = (NORMAL, ABNORMAL, PREPARATION_LOSS)
    absent = sorted(set(classes) - present)
    if absent:
        problem = f"no karyogram of class {', '.join(absent)} among {len(used):,} cells"
        raise UserError(f"{problem}: derive some (data.derived), or say data.preparation_loss=leave_out")
    return classes


def _without_parents(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out the real karyograms of cells that another was derived from."""
    derived = table["origin"] == DERIVED
    again = table[derived & table.duplicated(["cell", "origin"])]
    rest = table[derived | ~table["cell"].isin(table.loc[derived, "cell"])]
    if not (rest["label"] == NORMAL).any():
        raise UserError("data.parents=leave_out leaves no normal karyogram: lower the counts of data.derived")
    if len(again):
        problem = f"data.parents=leave_out: cell {again['cell'].iloc[0]} would be changed more than once"
        raise UserError(f"{problem}: lower the counts of data.derived")
    return rest


def _notes(data: ComposedKaryogramsConfig, table: pd.DataFrame, unused: Mapping[str, int]) -> list[str]:
    """How many karyograms there are of each kind, which cells were left out, and which did not fit at full scale."""
    notes = []
    if data.parents == "leave_out":
        notes.append("each cell is used once: a normal one that something was derived from is left out (data.parents)")
    for origin in (REAL, DERIVED):
        kinds = table.loc[table["origin"] == origin, "kind"]
        if len(kinds):
            notes.append(f"{len(kinds):,} {origin} karyograms: {_enumerate(Counter(kinds))}")
    if unused:
        why = "their counts make no sure karyotype"
        if PREPARATION_LOSS in unused:
            why += "; data.preparation_loss=class keeps those that lack one autosome"
        notes.append(f"cells left out: {_enumerate(unused)} ({why})")
    scales = table["scale"].astype(float)
    smaller = (scales < data.sheet.scale).sum()
    if smaller:
        size = f"scaled below {data.sheet.scale:g} to fit the sheet, down to {scales.min():.3g}"
        notes.append(f"{smaller:,} karyograms {size}")
    return notes


def _enumerate(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
