"""Several sets of single chromosomes in one training, each of its own laboratory, staining and scale."""

import os
from dataclasses import replace
from pathlib import Path

import pandas as pd

from cytogenetics.config.sources import ChromosomeSetsConfig
from datamodules.manifest.manifest import ImageSet, Manifest
from datamodules.sources import SourceContext, source
from datamodules.sources.chromosomes import list_chromosomes
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.config.sources import ChromosomesConfig, ChromosomeTableConfig, SourceConfig

NEW_WEIGHT = 20.0  # of the new set in place of its own: its few images are drawn so often


@source(ChromosomeSetsConfig)
def list_chromosome_sets(data: ChromosomeSetsConfig, context: SourceContext) -> Manifest:
    """List the chromosomes of all sets; ``group`` of an image is the name of its set.

    Ids, subjects and cells begin with the name of the set, so that equal names in two sets are not confused. The cells
    of a set without whole cells are not used: neither the scale of an image nor its class follows from the others.

    Raises:
        UserError: A set cannot be listed (`list_chromosomes`), or the new one is none of them.
    """
    if data.new_set not in (None, *data.sets):
        raise UserError(f"data.new_set={data.new_set} is none of the sets: name one of {', '.join(data.sets)}")
    listings = {}
    columns = data.model_dump(include=ChromosomeTableConfig.model_fields.keys() - SourceConfig.model_fields.keys())
    config = ChromosomesConfig(source="chromosomes", **columns)
    for name, entry in data.sets.items():
        place = os.path.join(context.data_dir or "", entry.folder)  # noqa: PTH118 (an absolute folder stays)
        try:
            listings[name] = list_chromosomes(config, replace(context, data_dir=place))
        except UserError as error:
            raise UserError(f"data.sets.{name}: {error}") from error
    root = Path(os.path.commonpath([listing.root.absolute() for listing in listings.values()]))
    frames = [_named(listing, name, root, data.sets[name].whole_cells) for name, listing in listings.items()]
    notes = [f"{name}: {note}" for name, listing in listings.items() for note in listing.notes]
    sets = {}
    for name, entry in data.sets.items():
        sets[name] = ImageSet(entry.weight, entry.upright)
        if name == data.new_set:
            sets[name] = ImageSet(NEW_WEIGHT, entry.upright, data.new_cells)
            if data.new_cells >= listings[name].frame["cell"].nunique():
                notes.append(f"{name}: no cell of it tests, all train; data.new_cells={data.new_cells} says how many")
    return Manifest(pd.concat(frames, ignore_index=True), root, CHROMOSOMES, None, data.source, tuple(notes), sets=sets)


def _named(listing: Manifest, name: str, root: Path, whole_cells: bool) -> pd.DataFrame:
    """Return the frame of a set with the name of the set in its ids, subjects, cells and groups."""
    frame = listing.frame.copy()
    below = listing.root.absolute().relative_to(root).as_posix()
    frame["path"] = f"{below}/" + frame["path"]
    for column in ("image_id", "subject", "cell"):
        frame[column] = (f"{name}/" + frame[column]).where(frame[column].notna(), None)
    if not whole_cells:
        frame["cell"] = None
    return frame.assign(group=name)
