"""The same metrics for parts of the test images: given groups, such as stainings, and kinds."""

from karyocyte.evaluation.intervals.over_subjects import intervals
from karyocyte.evaluation.metrics.labelled import LabelledPredictions
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns
from karyocyte.evaluation.pooling.sections import Findings
from karyocyte.evaluation.types.result import TEST, EvaluationResult, Figures, Interval, Metrics, warnings_about

FEW_IMAGES = 5  # of a class: below it a subgroup's figures say little
UNKNOWN = "unknown"
# Ranks of many classes cost much, and small subgroups lack most of the classes.
TWO_CLASSES = ("accuracy", "f1_weighted", "auc", "sensitivity", "specificity")
MORE_CLASSES = ("accuracy", "f1_weighted", "f1_macro")


def subgroups(runs: LabelledRuns, _: EvaluationResult) -> Findings:
    """Evaluate the test images of each given group and kind, at 0.5 or by the most probable class.

    Only what divides the images is listed. Images of which a fact is not known form a subgroup of their own. Of a kind,
    which is of one class, there is the share that is predicted right.
    """
    figures: Figures = {}
    few = []
    metrics_of = {"group": MORE_CLASSES if runs.test.positive_index is None else TWO_CLASSES, "kind": ("accuracy",)}
    for by, metrics in metrics_of.items():
        names = runs.frame[by].astype(object).fillna(UNKNOWN)
        # What is not known comes last.
        for name in sorted(names.unique(), key=lambda name: (name == UNKNOWN, name)) if names.nunique() > 1 else ():
            images = runs.test.subset((names == name).to_numpy())
            figures[TEST, f"{by} {name}"] = _counts(images) | intervals(images, runs.settings, names=metrics)
            if _is_small(by, images):
                few.append(f"{by} {name}")
    text = f"fewer than {FEW_IMAGES} images of a class in {', '.join(few)}: their figures say little"
    return Findings(warnings=warnings_about("subgroups", [text] if few else []), metrics=figures)


def _counts(images: LabelledPredictions) -> Metrics:
    numbers = {"images": len(images.labels), "subjects": images.subjects}
    numbers |= {f"images/{name}": count for name, count in images.count_images().items()}
    return {name: Interval(count) for name, count in numbers.items()}


def _is_small(by: str, images: LabelledPredictions) -> bool:
    """Tell whether a class has few images.

    A kind is of one class, and a small subgroup easily lacks some of many: there only those that occur count.
    """
    counts = images.count_images().values()
    every = by != "kind" and len(counts) == 2
    return any(count < FEW_IMAGES and (count or every) for count in counts)
