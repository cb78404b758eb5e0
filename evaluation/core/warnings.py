"""What a reader of metrics must know before believing them."""

from math import isclose

# With 14 subjects, about seven of a class, percentile and BCa intervals were seen to cover the truth in 65 to 89 % of
# cases instead of 95, those of logit_t in 93 to 99, and in 83 to 95 where two models differ: results/coverage.csv.
FEW_CLUSTERS = 20
# A rule of thumb for regressions, which also fits the other searches: 10 cases for each number.
IMAGES_PER_NUMBER = 10
LEAKS = {
    "subjects": "subjects in more than one part",
    "identical_pairs": "pairs of identical files in more than one part",
    "near_pairs": "pairs of near-same images in more than one part",
    "seen_by_start": "judged images that the run it started from had seen",
}


def cautions(name: str, part: dict) -> list[str]:
    """Say what limits the metrics of one part.

    Args:
        name: "test" or "validation"; each line begins with it.
        part: What ``judge.judge_part`` returns.
    """
    if not part["images"]:
        return [f"{name}: no labelled image, every metric is undefined"]
    lines = []
    if part["unlabelled"]:
        lines.append(f"{part['unlabelled']} images without label are left out")
    if part["subjects"] is None:
        lines.append(f"no subject is known: intervals take {part['drawn']} for independent and may be too narrow")
    lines += few_clusters(part["class_subjects"] or part["class_counts"], part["class_subjects"] is not None)
    auc = part["metrics"]["auc"]
    if auc["value"] is None:
        lines.append("AUC is undefined: a class has no image")
    elif auc["low"] is not None and auc["low"] <= 0.5 <= auc["high"]:
        lines.append("the interval of the AUC contains 0.5: no better than chance is not ruled out")
    return [f"{name}: {line}" for line in [*lines, *_doubtful(part["metrics"])]]


def leakage(about: dict) -> list[str]:
    """Say what stands on more than one side of the split: such figures flatter the model.

    Args:
        about: The facts of a run, or of several pooled; ``leaks`` holds the counts, or a list of them.

    Returns:
        One line per kind of leak that was found.
    """
    found = about.get("leaks") or []
    if isinstance(found, list):
        counts = found
    else:
        counts = [found]
    lines = []
    for key, what in LEAKS.items():
        most = max((count.get(key) or 0 for count in counts), default=0)
        if most:
            if len(counts) > 1:
                number = f"up to {most} in a fold"
            else:
                number = f"{most}"
            lines.append(f"leak: {what}: {number}")
    return lines + _outside(about) + fitted(about)


def fitted(about: dict) -> list[str]:
    """Say that an ensemble has used its validation images; ``about["fitted"]`` holds their number, or a list."""
    found = about.get("fitted") or []
    facts = [one for one in (found if isinstance(found, list) else [found]) if one]  # of a plain member: None
    images = " and ".join(f"{one['images']:,}" for one in facts)
    lines = [
        f"the ensemble was fitted on its {images} validation images: their figures flatter it, and a threshold, a "
        "temperature or a release chosen on them can be too bold"
    ] * bool(facts)
    few = [one for one in facts if too_few_images(one["images"], one.get("parameters") or 0)]
    if few:
        worst = max(few, key=lambda one: one["parameters"] / max(one["images"], 1))
        lines.append(
            f"the ensemble fitted {worst['parameters']:,} numbers on {worst['images']:,} images, fewer than "
            f"{IMAGES_PER_NUMBER} images for each: much of its gain there may be chance"
        )
    return lines


def too_few_images(images: int, numbers: int) -> bool:
    """Tell whether so many numbers, fitted on so many images, are likely to be fitted to chance."""
    return images < IMAGES_PER_NUMBER * numbers


def _outside(about: dict) -> list[str]:
    """What was noted when a run, or each of several, was judged on another data set (``about["external"]``)."""
    found = about.get("external") or []
    notes = [note for one in (found if isinstance(found, list) else [found]) for note in one["notes"]]
    return [f"another set: {note}" for note in dict.fromkeys(notes)]


def fold_mean_cautions(fold_means: dict) -> list[str]:
    """Say which means over folds are undefined on some draws: a fold with few subjects easily loses a class.

    Args:
        fold_means: ``metrics`` and ``metrics_at_threshold`` of ``judge.judge_pooled``.
    """
    return [f"fold mean: {line}" for line in _doubtful(fold_means["metrics"])]


def cell_cautions(assignment: dict | None) -> list[str]:
    """Say which shares of cells are undefined on some draws (few cells are abnormal), or the same on all.

    Args:
        assignment: What ``cells.judge_cells`` returns.
    """
    if assignment:
        known = assignment["metrics"]
    else:
        known = {}
    shown = {name: one for name, one in known.items() if one["value"] is not None and not name.startswith("recall/")}
    return [f"cells: {line}" for line in _doubtful(shown)]


def few_clusters(counts: dict[str, int], by_subject: bool) -> list[str]:
    """Warn of classes with so few subjects (images where subjects are unknown) that intervals may come out too narrow.

    Returns:
        One line or none.
    """
    few = [f"{name} ({count})" for name, count in counts.items() if count < FEW_CLUSTERS]
    if by_subject:
        word = "subjects"
    else:
        word = "images"
    if few:
        return [f"fewer than {FEW_CLUSTERS} {word} in {', '.join(few)}: intervals may be too narrow"]
    return []


def _doubtful(metrics: dict[str, dict]) -> list[str]:
    lines = []
    undefined = [f"{name} ({one['undefined']})" for name, one in metrics.items() if one["undefined"]]
    if undefined:
        lines.append(f"undefined on some resamples: {', '.join(undefined)}")
    constant = [name for name, one in metrics.items() if one["low"] is not None and isclose(one["low"], one["high"])]
    if constant:
        lines.append(f"the same on every resample, so that the interval says nothing: {', '.join(constant)}")
    exact = [name for name, one in metrics.items() if one["method"] == "exact"]
    if exact:
        lines.append(
            f"0 or 1 whoever is left out, so that the interval is an exact one of their number: {', '.join(exact)}"
        )
    return lines
