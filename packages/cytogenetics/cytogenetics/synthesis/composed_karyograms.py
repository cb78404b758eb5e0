"""Karyograms composed from the single chromosomes of cells, labelled by counts, and abnormal ones derived from them.

What is derived keeps its parent's cell and subject: no split by subject puts the two on different sides.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from cytogenetics.config.sources import ComposedKaryogramsConfig
from cytogenetics.karyotypes.naming import name_karyotype
from cytogenetics.synthesis.karyogram_writer import (
    COMPOSER_VERSION,
    DERIVED,
    REAL,
    is_whole,
    read_karyograms,
    write_karyograms,
)
from datamodules.io.whole_folder import make_once
from datamodules.manifest.manifest import Manifest, content_hash, manifest_frame, order_classes
from datamodules.manifest.scan import scan_listing
from datamodules.sources import SourceContext, find_source, source
from datamodules.sources.folder import expand_karyograms
from karyocyte.common.errors import UserError
from karyocyte.common.files import sha256_of_value
from karyocyte.common.karyotype import ABNORMAL, NORMAL
from karyocyte.common.text import natural_key
from karyocyte.config.sources import ChromosomesConfig, SyntheticChromosomesConfig


@source(ComposedKaryogramsConfig, expand=expand_karyograms)
def list_composed_karyograms(data: ComposedKaryogramsConfig, context: SourceContext) -> Manifest:
    """Compose the karyograms of all cells into ``<cache_dir>/composed-<hash>/``, once, and list them.

    Cells whose counts are neither normal nor surely abnormal are left out, also those that lack one autosome, which is
    most often lost on the slide.

    Raises:
        UserError: The cells are not known; one class only is left; more is to be derived than there are cells fit for
            it; the positive class does not fit; or the sheet is too small.
    """
    try:
        chromosomes = _scan_whole_cells(data.chromosomes, context)
    except UserError as error:
        keys = "|".join(type(data.chromosomes).model_fields)
        raise UserError(re.sub(rf"\bdata\.({keys})\b", r"data.chromosomes.\1", str(error))) from error
    labels = {}
    unused: Counter[str] = Counter()
    for cell, classes in chromosomes.frame.groupby("cell", sort=False)["label"]:
        karyotype = name_karyotype(Counter(classes))
        if karyotype.label in (NORMAL, ABNORMAL):
            labels[str(cell)] = karyotype.label
        else:
            unused[karyotype.kind] += 1
    derived = {ABNORMAL} if any(data.derived.model_dump().values()) else set()
    classes = order_classes({*labels.values(), *derived}, data.positive_class)
    facts = data.model_dump(mode="json", include={"sheet", "derived", "seed"})
    facts |= {"chromosomes": content_hash(chromosomes), "version": COMPOSER_VERSION}
    folder = context.cache_dir / f"composed-{sha256_of_value(facts)[:8]}"
    make_once(folder, lambda place: write_karyograms(data, chromosomes, labels, place, context.progress), is_whole)
    table = read_karyograms(folder)
    if data.parents == "leave_out":
        table = _without_parents(table)
    return Manifest(
        manifest_frame(table.rename(columns={"origin": "group"})),
        folder,
        classes,
        data.positive_class,
        data.source,
        notes=(*chromosomes.notes, *_notes(data, table, unused)),
        synthetic=chromosomes.synthetic,
        skipped=chromosomes.skipped,
    )


def _scan_whole_cells(data: ChromosomesConfig | SyntheticChromosomesConfig, context: SourceContext) -> Manifest:
    """Scan single chromosomes, without cells of which a picture was broken: by their counts they would be abnormal."""
    listing = find_source(data).list_images(data, context)
    chromosomes = scan_listing(listing, data.on_broken, context.cache_dir, context.progress)
    frame = chromosomes.frame
    nameless = frame["cell"].isna()
    if nameless.any():
        first = frame["image_id"][nameless].iloc[0]
        remedy = "set data.cell_column, or data.cell_regex"
        raise UserError(f"{chromosomes.root}: {first} has no cell, and karyograms are composed by cell: {remedy}")
    readable = listing.frame["image_id"].isin(frame["image_id"])
    broken = sorted(listing.frame.loc[~readable, "cell"].unique(), key=natural_key)
    if not broken:
        return chromosomes
    note = f"{len(broken):,} cells left out, since a chromosome of theirs is broken"
    return replace(
        chromosomes,
        frame=frame[~frame["cell"].isin(broken)].reset_index(drop=True),
        notes=(*chromosomes.notes, note),
        skipped=(*chromosomes.skipped, *(f"cell {name}" for name in broken)),
    )


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
    """How many karyograms there are of each kind, and which cells were left out."""
    notes = []
    if data.parents == "leave_out":
        notes.append("each cell is used once: a normal one that something was derived from is left out (data.parents)")
    for origin in (REAL, DERIVED):
        kinds = table.loc[table["origin"] == origin, "kind"]
        if len(kinds):
            notes.append(f"{len(kinds):,} {origin} karyograms: {_enumerate(Counter(kinds))}")
    if unused:
        notes.append(f"cells left out: {_enumerate(unused)} (their counts make no sure karyotype)")
    return notes


def _enumerate(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
