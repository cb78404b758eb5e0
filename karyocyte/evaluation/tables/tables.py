"""The results of an evaluation as typed tables."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from karyocyte.common.text import class_sizes, quoted
from karyocyte.evaluation.metrics.classification import CALIBRATION, METRICS, headline_metric, in_words
from karyocyte.evaluation.tables.certainty import certainty_lines
from karyocyte.evaluation.types.added import shown
from karyocyte.evaluation.types.formats import images_of, number, of_folds
from karyocyte.evaluation.types.result import FOLD_MEAN, GAIN, EvaluationResult, Kind, Matrix, Metrics
from karyocyte.evaluation.types.table import Cell, Named, Row, Table

SUBGROUPS = ("group", "kind")  # sections of the figures begin so
SUBGROUP_METRICS = ("accuracy", "sensitivity", "specificity", "auc", "f1_macro")
EACH_FOLDS = "each fold's own"
FEW_SUBGROUPS = 6  # of one kind in a short table
MANY_CLASSES = 8  # beyond, a line counts them


def _table(
    result: EvaluationResult, title: str, rows: Iterable[Row], reading: str, *notes: str, **options: object
) -> Table:
    return Table.of(title, rows, reading, notes=notes, confidence=result.confidence, **options)


def _rows(result: EvaluationResult, corner: str, columns: Mapping[str, Metrics], names: Iterable[str]) -> list[Row]:
    """Return a row per metric that a column has, named in the column ``corner``, without columns that have none."""
    shown = {heading: metrics for heading, metrics in columns.items() if metrics}
    rows = []
    for name in names:
        cells: Row = {heading: metrics.get(name) for heading, metrics in shown.items()}
        if any(cells.values()):
            rows.append({corner: metric_name(name, result), **cells})
    return rows


def result_tables(result: EvaluationResult, short: bool = False) -> list[Table]:
    """Return the tables of how good a model is; ``short``: with few subgroups."""
    tables = [metrics_table(result), subjects_table(result), classes_table(result)]
    return list(filter(None, [*tables, *shown(result).tables, subgroups_table(result, short)]))


def confidence_tables(result: EvaluationResult) -> list[Table]:
    """Return the tables of calibration and referral, where there are any."""
    return list(filter(None, (calibration_table(result), referral_table(result))))


def metric_name(metric: str, result: EvaluationResult) -> Named:
    """Return a metric's key, its name in words and what it measures."""
    words, meaning = in_words(metric, result.classes, result.positive_class)
    return Named(metric, words, meaning)


def captions(result: EvaluationResult) -> tuple[str, ...]:
    """Return what was evaluated, and how thresholds and folds are read, a sentence each."""
    about = result.about
    at_half = " at 0.5" * bool(result.positive_class)
    lines = [numbers(result)]
    if about.get("images_seen") is not None and about.get("wall_seconds") is not None:
        lines.append(f"training: {about['images_seen']:,} images seen in {about['wall_seconds']:,.0f} s")
    name = headline_metric(result.positive_class)
    for words, metrics in result.sections(Kind.BASELINE).items():
        gain = f"; network minus rule {metrics[GAIN]}" if GAIN in metrics else ""
        lines.append(f"without a network, by {words}: {metric_name(name, result).words} {metrics[name]}{gain}")
    if reason := next((point.reason for point in result.thresholds if point.reason), None):
        lines.append(f"no threshold chosen: {reason}")
    elif result.of(Kind.AT_THRESHOLD):
        own = f"{EACH_FOLDS}, " * result.has_folds
        lines.append(f"threshold: {own}chosen on validation ({result.thresholds[0].method})")
    if result.has_folds:
        lines.append(
            f"left: the {images_of(about)} of {len(result.thresholds)} folds pooled{at_half}; "
            f"fold mean: the mean over the folds of the metric{at_half}"
        )
    return tuple(lines)


def numbers(result: EvaluationResult) -> str:
    """Write how many images of each class, and how many subjects, were tested."""
    test = result.test
    counts = test.class_counts
    classes = class_sizes(counts)
    if len(counts) > MANY_CLASSES:
        classes = f"{len(counts)} classes, {min(counts.values()):,} to {max(counts.values()):,} each"
    subjects = "subjects unknown" if test.subjects is None else f"{test.subjects} subjects"
    positive = f"; positive: {quoted(result.positive_class)}" if result.positive_class else ""
    return f"{test.images:,} {images_of(result.about)} ({classes}), {subjects}{positive}"


def metrics_table(result: EvaluationResult) -> Table:
    """Return the test metrics, a row each, at 0.5 and at the chosen threshold.

    Recalls are sensitivity and specificity; the figures of many classes have a table of their own.
    """
    column = "value" if result.positive_class is None else "at 0.5"
    columns = {column: result.metrics, "fold mean": result.of(Kind.AT_HALF, FOLD_MEAN)}
    threshold = "own threshold" if result.has_folds else number(result.thresholds[0].value)
    columns[f"at {threshold}"] = result.of(Kind.AT_THRESHOLD)
    names = []
    for name in result.metrics:
        has_table = _is_of_class(name) and result.positive_class is None
        if not (has_table or name.startswith("recall/")):
            names.append(name)
    rows = _rows(result, "test metric", columns, names)
    certain: dict[str, None] = {}  # of figures that are the same at the threshold once
    for metrics in columns.values():
        certain |= dict.fromkeys(_certainty(metrics, names, result))
    reading = (
        f"Each figure is shown with the range in which it would fall if other {result.test.drawn} of the same kind had "
        "been examined. A wide range means that there are too few to be sure."
    )
    return _table(
        result, f"Test metrics with {confidence(result)} intervals", rows, reading, *captions(result), *certain
    )


def subjects_table(result: EvaluationResult) -> Table | None:
    """Return the metrics of predictions of subjects, by the mean of their images."""
    counts = result.of(Kind.SUBJECTS)
    if not counts:
        return None
    rows = _rows(result, "metric", {"by mean": result.of(Kind.BY_SUBJECT)}, METRICS)
    for row in rows:
        name = row["metric"]
        assert isinstance(name, Named)
        row["metric"] = replace(name, note=name.note.replace("images", "subjects"))
    lines = ["a subject is predicted by the mean probability of its images"]
    if result.positive_class:
        cut = of_folds(result.chosen(Kind.BY_SUBJECT, "threshold"), digits=3, unknown=0.5)
        lines.append(f"positive from {cut} (chosen on validation subjects, else 0.5)")
    if counts["left_out"].value:
        lines.append(f"{counts['left_out'].value:,.0f} subjects with images of several classes are left out")
    subjects = f"{counts['subjects'].value:,.0f} subjects"
    title = f"One prediction for each of {subjects}"
    shown_metrics = {name: metric for name, metric in result.of(Kind.BY_SUBJECT).items() if name in METRICS}
    lines += certainty_lines(shown_metrics, subjects, "subjects")
    return _table(result, title, rows, "", *lines)


def classes_table(result: EvaluationResult) -> Table:
    """Return what is right of each class of more than two, and what the others are taken for."""
    confusions = {name.short: counts for name, counts in shown(result).confusions.items()}
    rows = []
    detail: dict[str, Cell] = {}
    several = result.classes if result.positive_class is None else ()
    for index, name in enumerate(several):
        row: Row = {"class": name, "images": sum(result.test.confusion[index])}
        row |= {kind: result.metrics.get(f"{kind.lower()}/{name}") for kind in ("recall", "precision", "F1")}
        detail = {"most often taken for": _mistake(result, result.test.confusion, index)}
        for other, counts in confusions.items():
            right, images = counts[index][index], sum(counts[index])
            detail |= {f"recall, {other}": right / images if images else None}
            detail |= {"then taken for": _mistake(result, counts, index)}
        rows.append(row | detail)
    reading = (
        "Recall: of the images of a class, the share that is recognised. Precision: of the images predicted as a "
        "class, the share that really is of it."
    )
    certain = _certainty(result.metrics, filter(_is_of_class, result.metrics), result) if several else []
    return _table(result, "Class by class", rows, reading, *certain, detail=tuple(detail))


def _certainty(metrics: Metrics, names: Iterable[str], result: EvaluationResult) -> list[str]:
    named = {name: metrics[name] for name in names if name in metrics}
    return certainty_lines(named, f"{result.test.images:,} images", result.test.drawn)


def _is_of_class(name: str) -> bool:
    return "/" in name


def _mistake(result: EvaluationResult, counts: Matrix, index: int) -> str | None:
    """Return the class that images of another one are most often wrongly predicted as."""
    wrong = [count * (place != index) for place, count in enumerate(counts[index])]
    return result.classes[wrong.index(max(wrong))] if any(wrong) else None


def subgroups_table(result: EvaluationResult, short: bool = False, kinds: Sequence[str] = SUBGROUPS) -> Table:
    """Return the metrics of parts of the test images; ``short``: the worst few of each kind of part."""
    rows = []
    lines = []
    for by in kinds:
        groups = list(result.sections(f"{by} ").items())
        if short and len(groups) > FEW_SUBGROUPS:
            lines.append(f"by {by}: the {FEW_SUBGROUPS} with the lowest accuracy of {len(groups)}")
            groups = sorted(groups, key=lambda group: group[1]["accuracy"].value or 0.0)[:FEW_SUBGROUPS]
        for group, metrics in groups:
            row: Row = {"subgroup": f"{by} {group.replace('_', ' ')}"}
            for name in ("images", "subjects"):
                row[name] = None if (count := metrics[name].value) is None else int(count)
            rows.append(row | {name: metrics[name] for name in SUBGROUP_METRICS if name in metrics})
    reading = "Small parts of the test images have wide ranges: a difference within them is no finding."
    return _table(result, "Subgroups", rows, reading, *lines, detail=("subjects", "sensitivity", "specificity"))


def calibration_table(result: EvaluationResult) -> Table | None:
    """Return the calibration before and after scaling, and of the mean of passes or members."""
    calibration = result.calibration
    if not calibration:
        return None
    sections = {"as trained": Kind.CALIBRATED, "after scaling": Kind.SCALED, "mean of passes or members": Kind.SAMPLED}
    columns = {heading: result.of(section) for heading, section in sections.items()}
    rows = _rows(result, "calibration", columns, CALIBRATION)
    lines = [f"ECE in {len(calibration.reliability[Kind.CALIBRATED])} equally wide bins"]
    if result.of(Kind.SCALED):
        lines.append(f"scaling by the temperature {of_folds(calibration.temperatures)}, fitted on validation")
    reading = (
        f"0 is the best of all three. With {result.test.images:,} images even perfect probabilities can give an ECE of "
        f"up to {number(result.of(Kind.BY_CHANCE)['ece'].high)} by chance."
    )
    return _table(result, "Calibration", rows, reading, *lines, detail=("mean of passes or members",))


def referral_table(result: EvaluationResult) -> Table | None:
    """Return referral by confidence and by the votes of passes."""
    rows: list[Row] = []
    shares, votes = result.of(Kind.REFERRAL), result.of(Kind.VOTES)
    reading = ""
    if shares:
        row: Row = {"referral": Named("confidence", "probability below the cut"), "referred": shares["referred"]}
        rows.append(row | {"target": f"{result.settings['triage']['accuracy']:g}", "on test": shares["correct"]})
        reading = "The cut keeps the target accuracy on the validation images."
    if votes:
        meaning = "fewer than {:g} of the dropout passes vote for the prediction"
        name = Named("votes", "votes", meaning.format(result.settings["triage"]["vote_share"]))
        rows.append({"referral": name, "referred": votes["referred"], "on test": votes["correct"]})
    if not rows:
        return None
    note = "on test: accuracy of the predictions that are not referred"
    return _table(result, "Referral: which images an expert reviews", rows, reading, note)


def confidence(result: EvaluationResult) -> str:
    """Write how often an interval should hold the truth."""
    return f"{100 * result.confidence:.4g} %"
