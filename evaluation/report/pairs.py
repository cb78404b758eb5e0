"""The page of pairs of homologues: groups of pictures with captions."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common.files import write_text
from evaluation.homologues.notable import PairGroup
from evaluation.report.rendering import data_uri, render

SIDE = 640  # pixels of the longer side of a picture


@dataclass(frozen=True)
class PairsPageFacts:
    """What the page says of the run: ``title`` and a line of text below it."""

    title: str
    subtitle: str


def write_pairs_page(
    path: Path, groups: list[PairGroup], pictures: list[list[np.ndarray]], facts: PairsPageFacts
) -> None:
    """Write a page with the pairs of groups.

    Args:
        path: The file.
        groups: In their order.
        pictures: Of the pairs of each group, uint8 RGB.
        facts: Of the run.
    """
    sections = []
    for group, images in zip(groups, pictures, strict=True):
        rows = group.pairs.to_dict("records")
        cards = [_card(number, row, image) for number, (row, image) in enumerate(zip(rows, images, strict=True), 1)]
        sections.append({"group": group, "cards": cards})
    write_text(path, render("pairs.html.j2", facts=facts, sections=sections))


def _card(number: int, row: dict[str, Any], image: np.ndarray) -> dict[str, str]:
    rearranged = row["size"] > 0
    called = f"{row['called']} ({row['called_probability']:.2f})"
    which = "second" if row["first_changed"] < 0.5 else "first"
    found = [f"Score {row['calibrated']:.1f}"]
    if row["found"]:
        found.append(f"{called}, {which} one")
        if rearranged:
            found.append("place right" if row["hit"] else "place wrong")
    else:
        found.append("not found" if rearranged else "no alarm")
    subject = "" if row["subject"] in (None, row["cell"]) else f"{row['subject']}, "
    return {
        "title": f"{number}. {row['chromosome']}, {row['kind']}" + (f", {row['size']:.0%}" if rearranged else ""),
        "truth": f"{'second' if row['changed'] else 'first'} one" if rearranged else "normal",
        "found": ", ".join(found),
        "cell": f"{subject}{row['cell']}",
        "alt": f"Both chromosomes {row['chromosome']} of cell {row['cell']}, straightened, and aligned",
        "source": data_uri(image, SIDE),
    }
