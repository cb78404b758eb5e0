"""Search a data set for pictures of the same cell, and write what links its subjects."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from datamodules.io.decode import read_image
from datamodules.io.whole_folder import new_whole_folder
from datamodules.manifest.manifest import Manifest
from datamodules.manifest.persons import link_subjects
from datamodules.manifest.same_cells import FILE, SIDES, SameCells
from datamodules.manifest.scan import scan_listing
from datamodules.same_cells.registration import INSIDE
from datamodules.same_cells.search import Search, search
from datamodules.sources import list_configured
from karyocyte.common.cli import console, say
from karyocyte.common.errors import UserError
from karyocyte.common.files import write_csv
from karyocyte.common.text import natural_key
from karyocyte.config.schema import TrainingConfig
from karyocyte.evaluation.sections.examples import PLAIN, Example, draw_sheet

FACTS = ["image", "sha256", "phash", "subject", "label", "part"]  # of each side
MEASURED = ["turn", "scale", "mirrored", "outline", "inside"]
STEP = 0.02  # of the correlations that are counted
DRAWN = 12  # pairs of two subjects


def write_same_cells(configs: Sequence[TrainingConfig], folder: Path) -> None:
    """Search the images of a configuration, and write a new folder.

    ``same_cells.csv`` has the pairs of pictures of one cell, as the key ``same_cells`` takes them: what somebody sees
    who looks at a pair is written into its column ``seen`` (same, other, or nothing). ``correlations.csv`` counts how
    well registered pairs agree, ``search.csv`` has what was compared and how often the search is wrong. For every two
    subjects with such pairs a picture draws them side by side.

    Raises:
        UserError: There are several configurations, or the folder exists already.
    """
    if len(configs) > 1:
        raise UserError("the search takes one data set: give each key of data one value")
    (config,) = configs
    listing = list_configured(config, console.is_terminal)
    manifest = scan_listing(listing, config.data.on_broken, Path(config.cache_dir), console.is_terminal)
    named = manifest.frame.rename(columns={"image_id": "image"})
    with new_whole_folder(folder) as beside:
        found = search(manifest, progress=True)
        table = pair_table(found, named)
        write_csv(beside / FILE, table, "%.3f")
        write_csv(beside / "correlations.csv", correlations(found, named["subject"]))
        measures = pd.DataFrame({"measure": found.measures.keys(), "value": map(str, found.measures.values())})
        write_csv(beside / "search.csv", measures)
        linked = link_subjects(manifest, SameCells(table))
        _draw(beside, table, manifest)
    before, after = manifest.frame["subject"].nunique(), linked.frame["subject"].nunique()
    lines = [f"{name}: {value:,}" for name, value in found.measures.items()]
    say(*lines, f"{before:,} subjects are {after:,} persons", *map(str, linked.persons))
    say(f"pairs, and pictures of them: {folder}")


def pair_table(found: Search, named: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs of pictures of one cell with FACTS of both sides, how they lie, and ``seen``, which is empty."""
    same = found.same
    table = pd.DataFrame(index=same.index)
    for side in SIDES:
        facts = named.loc[same[side], FACTS].set_axis([f"{name}_{side}" for name in FACTS], axis=1)
        table = table.join(facts.reset_index(drop=True))
    return table.join(same[MEASURED]).assign(seen="")


def correlations(found: Search, subjects: pd.Series) -> pd.DataFrame:
    """Count registered pairs by how well the inside agrees: of one subject, of two of one class, and of two classes."""
    edges = np.arange(0, 1 + STEP, STEP)
    pairs = found.pairs
    one = subjects.loc[pairs["left"]].to_numpy() == subjects.loc[pairs["right"]].to_numpy()
    groups = {"one_subject": pairs[one], "two_subjects": pairs[~one], "two_classes": found.of_two_classes}
    counts = {name: np.histogram(group["inside"].clip(0, 1), edges)[0] for name, group in groups.items()}
    return pd.DataFrame({"inside": edges[:-1].round(2), **counts, "limit": INSIDE})


def _draw(folder: Path, table: pd.DataFrame, manifest: Manifest) -> None:
    """Draw pairs of every two subjects side by side, the nearest first."""
    paths = manifest.frame.set_index("image_id")["path"]
    sides = zip(table["subject_left"], table["subject_right"], strict=True)
    names = pd.Series([tuple(sorted(pair, key=natural_key)) for pair in sides], dtype=object)
    for (one, other), pairs in table.groupby(names):
        if one == other:
            continue
        strips: list[tuple[str, list[Example]]] = []
        for pair in pairs.head(DRAWN).to_dict("records"):
            heading = f"inside {pair['inside']:.3f}, turned by {pair['turn']:.0f} degrees"
            ids = [str(pair[f"image_{side}"]) for side in SIDES]
            strips.append((heading, [(read_image(manifest.root / paths[name]), [(name, PLAIN)]) for name in ids]))
        about = {"name": f"subjects {one} and {other}", "source": manifest.source, "synthetic": manifest.synthetic}
        draw_sheet(folder / f"{one}_{other}.png".replace("/", "-"), about, strips, 2, 2.2)
