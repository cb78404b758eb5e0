"""Each metric against scikit-learn's own, and None where it is undefined."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from karyocyte.evaluation.metrics.classification import call, confusion, in_words, lower_is_better, metric_names
from karyocyte.evaluation.metrics.labelled import LabelledPredictions
from karyocyte.evaluation.metrics.resampled import WeightedMetrics, evaluate

TWO = ("hem", "all")


def scored(labels, probabilities, classes=TWO, positive_index=1):
    """Images that stand for themselves."""
    labels = np.asarray(labels, dtype=np.int64)
    positive_index = positive_index if len(classes) == 2 else None
    probabilities = np.reshape(probabilities, (-1, len(classes)))
    return LabelledPredictions(labels, probabilities, classes, positive_index, np.arange(len(labels)))


def by_scikit_learn(images, threshold=0.5):
    """Every metric as scikit-learn says it, NaN where it has no value."""
    labels, probabilities, classes = images.labels, images.probabilities, images.classes
    all_labels = np.arange(len(classes))
    called = probabilities.argmax(axis=1)
    columns = slice(None)
    if len(classes) == 2:
        called = (probabilities[:, 1] >= threshold).astype(int)
        columns = 1
    actual = {
        "accuracy": reference.accuracy_score(labels, called),
        "f1_weighted": reference.f1_score(labels, called, average="weighted"),
        "f1_macro": reference.f1_score(labels, called, average="macro"),
        **dict.fromkeys(("balanced_accuracy", "auc", "average_precision"), np.nan),
    }
    for kind in ("precision", "recall", "f1"):
        of_class = getattr(reference, f"{kind}_score")
        values = of_class(labels, called, labels=all_labels, average=None, zero_division=np.nan)
        actual |= {f"{kind}/{name}": value for name, value in zip(classes, values, strict=True)}
    if len(classes) == 2:
        actual |= {"sensitivity": actual[f"recall/{classes[1]}"], "specificity": actual[f"recall/{classes[0]}"]}
    if len(np.unique(labels)) > 1:
        actual["balanced_accuracy"] = reference.balanced_accuracy_score(labels, called)
    if len(np.unique(labels)) == len(classes):
        truth = (labels[:, None] == all_labels)[:, columns]
        actual["auc"] = reference.roc_auc_score(truth, probabilities[:, columns], average="macro")
        actual["average_precision"] = reference.average_precision_score(truth, probabilities[:, columns])
    return actual


@st.composite
def weighted_images(draw):
    """Images of 2 to 4 classes with few distinct scores, so that ties are common, and a weight for each."""
    classes = draw(st.integers(2, 4))
    images = draw(st.integers(1, 25))
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=images, max_size=images))
    of_image = st.lists(st.integers(1, 4), min_size=classes, max_size=classes)
    scores = np.array(draw(st.lists(of_image, min_size=images, max_size=images)))
    weights = draw(st.lists(st.integers(0, 3), min_size=images, max_size=images))
    return scored(labels, scores / scores.sum(axis=1, keepdims=True), tuple("abcd"[:classes])), np.array(weights)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=60)
@given(weighted_images(), st.sampled_from([0.5, 0.2, 0.6]))
@example((scored([0, 1, 1], [[0.6, 0.4], [0.3, 0.7], [0.7, 0.3]]), None), 0.5)  # a single image of a class
def test_all_agree_with_scikit_learn_at_any_threshold_and_none_is_invented(drawn, threshold):
    """Ties, one class only, a single image: equal where a value exists, and None where scikit-learn has none."""
    images, _ = drawn
    actual = evaluate(images, threshold)
    sklearn = by_scikit_learn(images, threshold)
    assert set(actual) == set(sklearn), "write the value of a new metric into by_scikit_learn"
    for name, value in actual.items():
        assert (value is None) == np.isnan(sklearn[name]), name
        if value is not None:
            assert value == pytest.approx(sklearn[name], abs=1e-12), name


@settings(max_examples=150)
@given(weighted_images())
def test_weighting_images_equals_repeating_them(drawn):
    images, weights = drawn
    actual = dict(zip(metric_names(images.classes), WeightedMetrics(images)(weights[None])[:, 0], strict=True))
    repeated = scored(np.repeat(images.labels, weights), np.repeat(images.probabilities, weights, 0), images.classes)
    for name, value in evaluate(repeated).items():
        assert np.isnan(actual[name]) if value is None else actual[name] == pytest.approx(value, abs=1e-12), name


def test_the_threshold_itself_is_positive_and_the_positive_class_may_come_first():
    probabilities = np.array([[0.5, 0.5], [0.7, 0.3], [0.3, 0.7]])
    assert call(probabilities, 1).tolist() == [1, 0, 1]
    assert call(probabilities, 0).tolist() == [0, 0, 1]
    actual = evaluate(scored([0, 0, 1], probabilities, ("all", "hem"), 0))
    assert actual["auc"] == actual["sensitivity"] == actual["specificity"] == 1.0


def test_images_without_label_are_not_in_the_confusion_matrix():
    assert confusion(np.array([0, -1, 1]), np.array([1, 1, 1]), 2).tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("sensitivity", ("sensitivity", "of the “all” images, the share that is recognised")),
        ("specificity", ("specificity", "of the “hem” images, the share that is recognised")),
        ("precision/all", ("precision of “all”", "of the images predicted “all”, the share that really are")),
        ("of_another", ("of another", "")),
    ],
)
def test_metrics_are_named_and_explained_with_the_classes_that_they_are_of(metric, words):
    assert in_words(metric, TWO, "all") == words


@pytest.mark.parametrize(
    ("monitor", "lower"), [("val/loss", True), ("val/ece", True), ("val/auc", False), ("x", False)]
)
def test_a_monitored_quantity_says_which_value_is_best(monitor, lower):
    assert lower_is_better(monitor) == lower
