"""Karyograms composed from the single chromosomes of cells: real ones, and abnormal ones derived from real normal ones.

The class of a real cell is told by its counts. What is derived keeps its parent's cell and subject: no split by subject
puts the two on different sides.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import pandas as pd
from filelock import FileLock
from pydantic import Field

from common.config.base import FROM_YAML
from common.errors import UserError
from common.files import sha256_of_value
from common.karyotype import ABNORMAL, NORMAL, PREPARATION_LOSS, Karyotype, name_karyotype
from datamodules.manifest.manifest import Listing, Manifest, Record, content_hash, natural_key, order_classes
from datamodules.manifest.scan import scan_listing
from datamodules.sources._registry import SourceContext, list_images, source
from datamodules.sources.chromosomes import ChromosomesConfig
from datamodules.sources.karyograms import AugmentedConfig
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

_MADE_OF = {"sheet", "derived", "gained", "segment", "preparation_loss", "seed"}  # the keys that change a picture


class ComposedKaryogramsConfig(CompositionConfig, defaults="data/composed_karyograms"):
    """Karyograms composed from single chromosomes, with known truth."""

    source: Literal["composed_karyograms"]
    chromosomes: Annotated[ChromosomesConfig | SyntheticChromosomesConfig, Field(discriminator="source")]
    parents: Literal["keep", "leave_out"] = FROM_YAML
    preparation_loss: Literal["leave_out", "class"] = FROM_YAML
    augmented: AugmentedConfig = FROM_YAML


@source(ComposedKaryogramsConfig, reads_data_dir=False)
def list_composed_karyograms(data: ComposedKaryogramsConfig, context: SourceContext) -> Listing:
    """Compose the karyograms of all cells into ``<cache_dir>/composed-<hash>/``, unless they are there, and list them.

    What is in that folder, `karyogram_writing.write_karyograms` says. Cells whose counts make no sure karyotype are
    left out; so are those that lack one autosome, unless ``data.preparation_loss=class``: then they are a third class.

    Args:
        data: The chromosomes, the sheet, and what is derived.
        context: Where the chromosomes lie and the folder goes.

    Raises:
        UserError: The cells are not known; one class only is left; more is to be derived than there are cells fit for
            it; the positive class does not fit; or the sheet is too small.
    """
    check_changes(data)  # before thousands of chromosomes are drawn or read
    chromosomes = _scan_chromosomes(data.chromosomes, context)
    karyotypes = _karyotypes(chromosomes)
    used = {cell: karyotype for cell, karyotype in karyotypes.items() if _is_used(data, karyotype)}
    classes = _classes(data, used)
    made_of = {**data.model_dump(mode="json", include=_MADE_OF), "chromosomes": content_hash(chromosomes)}
    folder = context.cache_dir / f"composed-{sha256_of_value({**made_of, 'version': COMPOSER_VERSION})[:8]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not is_whole(folder):
            write_karyograms(data, chromosomes, used, folder, context.progress)
    table = read_karyograms(folder)
    if data.parents == "leave_out":
        table = _without_parents(table)
    records = tuple(_record(row) for row in table.itertuples(index=False))
    places = pd.read_csv(folder / PLACES, dtype={"image_id": str, "chromosome": str})
    notes = (*chromosomes.notes, *_notes(data, karyotypes, table))
    facts = (folder, classes, data.positive_class, data.source, notes, chromosomes.synthetic, places)
    return Listing(records, *facts, skipped=chromosomes.skipped)


def _scan_chromosomes(data: ChromosomesConfig | SyntheticChromosomesConfig, context: SourceContext) -> Manifest:
    """The single chromosomes of whole cells; errors name their keys as they are named here."""
    try:
        listing = list_images(data, context)
        return whole_cells(scan_listing(listing, data.on_broken, context.cache_dir, context.progress), listing)
    except UserError as error:
        keys = "|".join(type(data).model_fields)
        raise UserError(re.sub(rf"\bdata\.({keys})\b", r"data.chromosomes.\1", str(error))) from error


def whole_cells(chromosomes: Manifest, listing: Listing) -> Manifest:
    """Return a manifest without the cells of which a picture was broken and skipped: counts would call them abnormal.

    Args:
        chromosomes: The scanned manifest.
        listing: What it was scanned from.
    """
    read = set(chromosomes.frame["image_id"])
    broken = {record.cell for record in listing.records if record.image_id not in read}
    if not broken:
        return chromosomes
    frame = chromosomes.frame[~chromosomes.frame["cell"].isin(broken)].reset_index(drop=True)
    names = sorted(map(str, broken), key=natural_key)
    note = f"{len(names):,} cells left out, since a chromosome of theirs is broken"
    skipped = (*chromosomes.skipped, *(f"cell {name}" for name in names))
    return replace(chromosomes, frame=frame, notes=(*chromosomes.notes, note), skipped=skipped)


def _karyotypes(chromosomes: Manifest) -> dict[str, Karyotype]:
    """What the counts of each cell say, by its name."""
    frame = chromosomes.frame
    nowhere = frame["cell"].isna()
    if nowhere.any():
        found = f"{frame.loc[nowhere, 'image_id'].iloc[0]} has no cell, and karyograms are composed by cell"
        remedy = "set data.chromosomes.cell_column, or data.chromosomes.cell_regex"
        raise UserError(f"{chromosomes.root}: {found}: {remedy}")
    cells = frame.groupby("cell", sort=False)["label"]
    return {str(cell): name_karyotype(Counter(labels)) for cell, labels in cells}


def _is_used(data: ComposedKaryogramsConfig, karyotype: Karyotype) -> bool:
    if karyotype.label == PREPARATION_LOSS:
        return data.preparation_loss == "class"
    return karyotype.label in (NORMAL, ABNORMAL)


def _classes(data: ComposedKaryogramsConfig, used: Mapping[str, Karyotype]) -> tuple[str, ...]:
    """The order of the classes: the two, or with preparation losses three."""
    asked = {kind for kind, count in data.derived.model_dump().items() if count}
    present = {str(karyotype.label) for karyotype in used.values()}
    if asked - {"autosome_loss"}:
        present.add(ABNORMAL)
    if data.preparation_loss == "leave_out":
        if "autosome_loss" in asked:
            found = f"data.derived.autosome_loss={data.derived.autosome_loss} makes preparation losses, left out here"
            raise UserError(f"{found}: say data.preparation_loss=class, or derive none")
        return order_classes(present, data.positive_class)
    if data.positive_class is not None:
        found = f"data.positive_class={data.positive_class} has no meaning with three classes"
        raise UserError(f"{found} (data.preparation_loss=class): say data.positive_class=null")
    classes = (NORMAL, ABNORMAL, PREPARATION_LOSS)
    absent = set(classes) - present - ({PREPARATION_LOSS} if "autosome_loss" in asked else set())
    if absent:
        found = f"no karyogram of class {', '.join(sorted(absent))} among {len(used):,} cells"
        raise UserError(f"{found}: derive some (data.derived), or say data.preparation_loss=leave_out")
    return classes


def _without_parents(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out the real karyograms of cells that another was derived from.

    Raises:
        UserError: A cell would stand there twice all the same, or no normal karyogram is left.
    """
    derived = table["origin"] == DERIVED
    again = table[derived & table.duplicated(["cell", "origin"])]
    kept = table[derived | ~table["cell"].isin(table.loc[derived, "cell"])]
    if not (kept["label"] == NORMAL).any():
        raise UserError("data.parents=leave_out leaves no normal karyogram: lower the counts of data.derived")
    if len(again):
        found = f"data.parents=leave_out: cell {again['cell'].iloc[0]} would be changed more than once"
        raise UserError(f"{found}: lower the counts of data.derived")
    return kept


def _record(row: Any) -> Record:
    return Record(row.image_id, row.path, row.label, row.subject or None, None, row.cell, row.kind, row.origin)


def _notes(data: ComposedKaryogramsConfig, karyotypes: Mapping[str, Karyotype], table: pd.DataFrame) -> tuple[str, ...]:
    """How many karyograms there are of each kind, which cells were left out, and which did not fit at full scale."""
    notes = []
    if data.parents == "leave_out":
        notes.append("each cell is used once: a normal one that something was derived from is left out (data.parents)")
    for origin in (REAL, DERIVED):
        kinds = table.loc[table["origin"] == origin, "kind"]
        if len(kinds):
            notes.append(f"{len(kinds):,} {origin} karyograms: {_listed(Counter(kinds))}")
    unused = [karyotype for karyotype in karyotypes.values() if not _is_used(data, karyotype)]
    left_out: Counter[str] = Counter(karyotype.kind for karyotype in unused)
    if left_out:
        why = "their counts make no sure karyotype"
        if left_out[PREPARATION_LOSS]:
            kept = "; data.preparation_loss=class keeps those that lack one autosome"
        else:
            kept = ""
        notes.append(f"cells left out: {_listed(left_out)} ({why}{kept})")
    scales = table["scale"].astype(float)
    if (smaller := int((scales < data.sheet.scale).sum())) > 0:
        notes.append(
            f"{smaller:,} karyograms scaled below {data.sheet.scale:g} to fit the sheet, down to {scales.min():.3g}"
        )
    return tuple(notes)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
