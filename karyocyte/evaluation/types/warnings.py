"""What a reader of metrics must know before believing them."""

from itertools import chain
from typing import Any

import pandas as pd

from karyocyte.common.text import quoted
from karyocyte.evaluation.types.formats import listed
from karyocyte.evaluation.types.result import EvaluationWarning, Metrics, PartResult, warnings_about

# With 14 subjects, about seven of a class, percentile and BCa intervals were seen to cover the truth in 65 to 89 % of
# cases instead of 95, those of logit_t in 93 to 99, and in 83 to 95 where two models differ: results/coverage.csv.
FEW_CLUSTERS = 20
MOST_NAMES = 4  # of classes: more are counted
PROTOCOLS = {
    "subject": "no subject is in two parts",
    "image": "images are divided at random, by class; a subject may be in two parts",
    "paper": "as the paper did it, its leaks included",
}
LEAKS = {
    "subjects": "subjects in more than one part",
    "identical_pairs": "pairs of identical files in more than one part",
    "same_cell_pairs": "pairs of pictures of the same cell in more than one part",
    "near_pairs": "pairs of near-duplicates in more than one part",
    "seen_by_start": "evaluated images that the run it started from had seen",
}


def part_warnings(name: str, part: PartResult, metrics: Metrics) -> list[EvaluationWarning]:
    """Say what limits the metrics of one part, "test" or "validation"."""
    if not part.images:
        return warnings_about(name, ["no labelled image, every metric is undefined"])
    lines = []
    if part.unlabelled:
        lines.append(f"{part.unlabelled} images without label are left out")
    if part.subjects is None:
        lines.append(f"no subject is known: intervals treat {part.drawn} as independent and may be too narrow")
    unit = "images" if part.class_subjects is None else "subjects"
    lines += few_clusters(part.class_subjects or part.class_counts, unit)
    auc = metrics["auc"]
    if auc.value is None:
        lines.append("AUC is undefined: a class has no image")
    elif auc.low is not None and auc.high is not None and auc.low <= 0.5 <= auc.high:
        lines.append("the interval of the AUC contains 0.5: the model may be no better than chance")
    return warnings_about(name, lines)


def leakage(about: dict[str, Any]) -> list[EvaluationWarning]:
    """Say what is on more than one side of the split, which flatters the model, and what else ``about`` warns of.

    Of it, ``leaks`` holds counts, ``external`` notes on another data set, ``incomplete`` what is missing of a published
    one, ``stages`` that the evaluated stage is not the best; each may be a list, as may ``fitted``.
    """
    counts = pd.DataFrame(listed(about.get("leaks")), columns=list(LEAKS))
    most = counts.astype(float).max().dropna().astype(int)
    shape = "{}: up to {} in a run" if len(counts) > 1 else "{}: {}"
    lines = [shape.format(LEAKS[str(key)], number) for key, number in most[most > 0].items()]
    notes = dict.fromkeys(chain.from_iterable(external["notes"] for external in listed(about.get("external"))))
    return [
        *warnings_about("leak", lines),
        *warnings_about("training", dict.fromkeys(filter(None, listed(about.get("stages"))))),
        *warnings_about("another set", notes),
        *warnings_about("data", dict.fromkeys(listed(about.get("incomplete")))),
        *warnings_about("", fit_warnings(about)),
    ]


def fit_warnings(about: dict[str, Any]) -> list[str]:
    """Say that an ensemble has used its validation images; ``about["fitted"]`` holds their number, or a list."""
    facts = list(filter(None, listed(about.get("fitted"))))  # of a plain member: None
    if not facts:
        return []
    images = " and ".join(f"{fact['images']:,}" for fact in facts)
    return [
        f"the ensemble was fitted on its {images} validation images: their figures flatter it, and a threshold, a "
        "temperature or a cut chosen on them are likely too optimistic"
    ]


def few_clusters(counts: dict[str, int], unit: str) -> list[str]:
    """Return a line on classes with so few subjects (or what else ``unit`` says) that intervals are doubtful."""
    few = {name: count for name, count in counts.items() if count < FEW_CLUSTERS}
    if not few:
        return []
    named = ", ".join(f"{quoted(name)} ({count})" for name, count in few.items())
    if len(few) > MOST_NAMES:
        named = f"{len(few)} classes ({min(few.values())} to {max(few.values())})"
    return [f"fewer than {FEW_CLUSTERS} {unit} in {named}: intervals may be too narrow"]
