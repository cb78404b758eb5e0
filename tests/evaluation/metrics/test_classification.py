"""Each metric against scikit-learn's and torchmetrics' own, and None where it is undefined."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference
from torchmetrics.functional import classification as torch_reference

from evaluation.core.labelled import LabelledPredictions
from evaluation.metrics.classification import call, confusion, evaluate, metric_names
from evaluation.metrics.resampled import WeightedMetrics

TWO, THREE = ("hem", "all"), ("A", "B", "C")


def draw(images, classes, seed=0, ties=False):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(classes), size=images)
    if ties:
        probabilities[:, 1:] = probabilities[:, 1:].round(1)
        probabilities[:, 0] = 1 - probabilities[:, 1:].sum(axis=1)
    labels = rng.integers(0, classes, images)
    labels[:classes] = np.arange(classes)
    return labels, probabilities


@pytest.mark.parametrize("threshold", [0.5, 0.2])
@pytest.mark.parametrize("ties", [False, True])
def test_two_classes_agree_with_scikit_learn(threshold, ties):
    labels, probabilities = draw(80, 2, ties=ties)
    called = (probabilities[:, 1] >= threshold).astype(int)
    found = evaluate(labels, probabilities, TWO, 1, threshold)
    expected = {
        "accuracy": reference.accuracy_score(labels, called),
        "balanced_accuracy": reference.balanced_accuracy_score(labels, called),
        "f1_weighted": reference.f1_score(labels, called, average="weighted"),
        "f1_macro": reference.f1_score(labels, called, average="macro"),
        "auc": reference.roc_auc_score(labels, probabilities[:, 1]),
        "average_precision": reference.average_precision_score(labels, probabilities[:, 1]),
        "sensitivity": reference.recall_score(labels, called, pos_label=1),
        "specificity": reference.recall_score(labels, called, pos_label=0),
    }
    for index, name in enumerate(TWO):
        expected[f"precision/{name}"] = reference.precision_score(labels, called, pos_label=index)
        expected[f"recall/{name}"] = reference.recall_score(labels, called, pos_label=index)
        expected[f"f1/{name}"] = reference.f1_score(labels, called, pos_label=index)
    assert found == pytest.approx(expected)


def test_more_classes_agree_with_scikit_learn():
    labels, probabilities = draw(90, 3)
    called = probabilities.argmax(axis=1)
    found = evaluate(labels, probabilities, THREE, None)
    assert found["auc"] == pytest.approx(reference.roc_auc_score(labels, probabilities, multi_class="ovr"))
    assert found["f1_macro"] == pytest.approx(reference.f1_score(labels, called, average="macro"))
    assert found["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(labels, called))
    assert [found[f"recall/{name}"] for name in THREE] == pytest.approx(
        reference.recall_score(labels, called, average=None).tolist()
    )
    assert "sensitivity" not in found
    assert "specificity" not in found


def test_the_threshold_itself_is_positive_and_the_positive_class_may_come_first():
    probabilities = np.array([[0.5, 0.5], [0.7, 0.3], [0.3, 0.7]])
    assert call(probabilities, 1).tolist() == [1, 0, 1]
    assert call(probabilities, 0).tolist() == [0, 0, 1]
    found = evaluate(np.array([0, 0, 1]), probabilities, ("all", "hem"), 0)
    assert found["auc"] == 1.0
    assert found["sensitivity"] == found["specificity"] == 1.0


def test_each_image_may_have_its_own_threshold():
    probabilities = np.array([[0.6, 0.4], [0.6, 0.4]])
    assert call(probabilities, 1, np.array([0.3, 0.5])).tolist() == [1, 0]
    found = evaluate(np.array([-1, 1, 0]), np.repeat(probabilities[:1], 3, axis=0), TWO, 1, np.array([0.9, 0.3, 0.5]))
    assert found["accuracy"] == 1.0


def test_images_without_label_are_left_out():
    labels, probabilities = draw(40, 2)
    some = np.where(np.arange(40) % 5 == 4, -1, labels)
    assert evaluate(some, probabilities, TWO, 1) == evaluate(labels[some >= 0], probabilities[some >= 0], TWO, 1)
    assert confusion(some, call(probabilities, 1), 2).sum() == (some >= 0).sum()


def test_one_class_only_leaves_what_needs_two_undefined():
    found = evaluate(np.ones(4, dtype=int), np.array([[0.2, 0.8]] * 3 + [[0.9, 0.1]]), TWO, 1)
    undefined = {name for name, value in found.items() if value is None}
    assert undefined == {"auc", "average_precision", "balanced_accuracy", "specificity", "recall/hem"}
    assert found["sensitivity"] == 0.75
    # One image was called hem, wrongly: that precision is 0, not undefined.
    assert found["precision/hem"] == 0.0


def test_no_positive_call_leaves_precision_undefined_and_f1_zero():
    found = evaluate(np.array([0, 1]), np.array([[0.9, 0.1], [0.8, 0.2]]), TWO, 1)
    assert found["precision/all"] is None
    assert found["f1/all"] == 0.0
    assert found["sensitivity"] == 0.0


def test_a_class_that_is_neither_true_nor_called_has_no_f1_and_no_part_in_the_macro_mean():
    labels = np.array([0, 1, 1])
    probabilities = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.8, 0.1, 0.1]])
    found = evaluate(labels, probabilities, THREE, None)
    assert found["f1/C"] is None
    assert found["auc"] is None
    assert found["f1_macro"] == pytest.approx((2 / 3 + 2 / 3) / 2)


@pytest.mark.parametrize("labels", [[], [-1, -1]])
def test_without_labelled_images_everything_is_undefined(labels):
    found = evaluate(np.array(labels, dtype=int), np.full((len(labels), 2), 0.5), TWO, 1)
    assert found == dict.fromkeys(metric_names(TWO))


def test_a_single_image():
    found = evaluate(np.array([1]), np.array([[0.4, 0.6]]), TWO, 1)
    assert found["accuracy"] == 1.0
    assert found["auc"] is None


@st.composite
def weighted_images(draw):
    classes = draw(st.integers(2, 4))
    images = draw(st.integers(1, 25))
    labels = np.array(draw(st.lists(st.integers(0, classes - 1), min_size=images, max_size=images)))
    # Few distinct scores, so that ties are common.
    scores = np.array(
        draw(
            st.lists(st.lists(st.integers(1, 4), min_size=classes, max_size=classes), min_size=images, max_size=images)
        )
    )
    weights = np.array(draw(st.lists(st.integers(0, 3), min_size=images, max_size=images)))
    return labels, scores / scores.sum(axis=1, keepdims=True), weights


def by_scikit_learn(labels, probabilities, classes):
    """Every metric as scikit-learn says it, NaN where it finds no value."""
    called, all_labels = probabilities.argmax(axis=1), np.arange(len(classes))
    if len(classes) == 2:
        called = (probabilities[:, 1] >= 0.5).astype(int)
    found = {
        "accuracy": reference.accuracy_score(labels, called),
        "f1_weighted": reference.f1_score(labels, called, average="weighted"),
        "f1_macro": reference.f1_score(labels, called, average="macro"),
        **dict.fromkeys(("balanced_accuracy", "auc", "average_precision"), np.nan),
    }
    if len(np.unique(labels)) > 1:
        found["balanced_accuracy"] = reference.balanced_accuracy_score(labels, called)
    for kind in ("precision", "recall", "f1"):
        of_class = getattr(reference, f"{kind}_score")
        values = of_class(labels, called, labels=all_labels, average=None, zero_division=np.nan)
        found |= {f"{kind}/{name}": value for name, value in zip(classes, values, strict=True)}
    if len(classes) == 2:
        found |= {"sensitivity": found[f"recall/{classes[1]}"], "specificity": found[f"recall/{classes[0]}"]}
    if len(np.unique(labels)) == len(classes):
        columns = 1 if len(classes) == 2 else slice(None)
        ranked = (labels[:, None] == all_labels)[:, columns], probabilities[:, columns]
        found["auc"] = reference.roc_auc_score(*ranked, average="macro")
        found["average_precision"] = reference.average_precision_score(*ranked, average="macro")
    return found


def by_torchmetrics(labels, probabilities, classes):
    """Every metric as torchmetrics says it: where there is no value it says 0, or leaves a class out."""
    k = len(classes)
    called = torch.tensor(probabilities.argmax(axis=1) if k > 2 else (probabilities[:, 1] >= 0.5).astype(int))
    truth, scores = torch.tensor(labels), torch.tensor(probabilities)

    def of_calls(name, average):
        return getattr(torch_reference, f"multiclass_{name}")(called, truth, num_classes=k, average=average)

    found = {
        "accuracy": of_calls("accuracy", "micro"),
        "balanced_accuracy": of_calls("recall", "macro"),
        "f1_weighted": of_calls("f1_score", "weighted"),
        "f1_macro": of_calls("f1_score", "macro"),
    }
    for kind, name in (("precision", "precision"), ("recall", "recall"), ("f1", "f1_score")):
        found |= {f"{kind}/{one}": value for one, value in zip(classes, of_calls(name, "none"), strict=True)}
    if k == 2:
        found["sensitivity"] = torch_reference.binary_recall(called, truth)
        found["specificity"] = torch_reference.binary_specificity(called, truth)
        found["auc"] = torch_reference.binary_auroc(scores[:, 1], truth)
        found["average_precision"] = torch_reference.binary_average_precision(scores[:, 1], truth)
    else:
        found["auc"] = torch_reference.multiclass_auroc(scores, truth, num_classes=k)
        found["average_precision"] = torch_reference.multiclass_average_precision(scores, truth, num_classes=k)
    return {name: float(value) for name, value in found.items()}


@pytest.mark.filterwarnings("ignore")
@settings(deadline=None, max_examples=60)
@given(weighted_images())
def test_all_agree_with_scikit_learn_and_torchmetrics_and_none_is_invented(drawn):
    """Ties, one class only, a single image: equal where a value exists, and None where scikit-learn finds none."""
    labels, probabilities, _ = drawn
    classes = tuple("abcd"[: probabilities.shape[1]])
    found = evaluate(labels, probabilities, classes, 1 if len(classes) == 2 else None)
    sklearn, torched = (by(labels, probabilities, classes) for by in (by_scikit_learn, by_torchmetrics))
    assert set(found) == set(sklearn) == set(torched)
    all_occur = len(np.unique(labels)) == len(classes)
    for name, value in found.items():
        assert (value is None) == np.isnan(sklearn[name]), name
        if value is not None:
            assert value == pytest.approx(sklearn[name], abs=1e-12), name
            # torchmetrics counts a recall of 0 for a class that is called and never true.
            if name != "balanced_accuracy" or all_occur:
                assert value == pytest.approx(torched[name], abs=1e-5), name


RANKED = {"auc", "average_precision", "balanced_accuracy"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("labels", "positives", "undefined"),
    [
        ([1, 1, 1], [0.9, 0.4, 0.6], {*RANKED, "specificity", "recall/hem"}),
        ([0, 0], [0.1, 0.9], {*RANKED, "sensitivity", "recall/all"}),
        ([1], [0.9], {*RANKED, "specificity", "recall/hem", "precision/hem", "f1/hem"}),
        ([0, 1], [0.2, 0.3], {"precision/all"}),
        ([0, 1, 1, 0], [0.5, 0.5, 0.5, 0.5], {"precision/hem"}),
    ],
)
def test_for_what_is_undefined_others_give_a_number(labels, positives, undefined):
    labels, positives = np.array(labels), np.array(positives)
    probabilities = np.column_stack([1 - positives, positives])
    found, torched = evaluate(labels, probabilities, TWO, 1), by_torchmetrics(labels, probabilities, TWO)
    assert {name for name, value in found.items() if value is None} == undefined
    assert np.isfinite([torched[name] for name in undefined - {"average_precision"}]).all()
    scored = LabelledPredictions(labels, probabilities, TWO, 1, np.arange(len(labels)), False, 0)
    weighted = dict(zip(metric_names(TWO), WeightedMetrics(scored)(np.ones((1, len(labels))))[:, 0], strict=True))
    assert {name for name, value in weighted.items() if np.isnan(value)} == undefined


def test_scores_that_all_tie_have_an_auc_of_one_half():
    found = evaluate(np.array([0, 1, 1, 0, 0]), np.full((5, 2), 0.5), TWO, 1)
    assert found["auc"] == 0.5
    assert found["average_precision"] == pytest.approx(2 / 5)  # the share of positives


@settings(deadline=None, max_examples=150)
@given(weighted_images())
def test_weighting_images_equals_repeating_them(drawn):
    """The fast metrics of a resample are scikit-learn's on the images that the resample holds."""
    labels, probabilities, weights = drawn
    classes = tuple("abcd"[: probabilities.shape[1]])
    positive = 1 if len(classes) == 2 else None
    scored = LabelledPredictions(labels, probabilities, classes, positive, np.arange(len(labels)), False, 0)
    found = dict(zip(metric_names(classes), WeightedMetrics(scored)(weights[None])[:, 0], strict=True))
    expected = evaluate(np.repeat(labels, weights), np.repeat(probabilities, weights, axis=0), classes, positive)
    for name, value in expected.items():
        assert np.isnan(found[name]) if value is None else found[name] == pytest.approx(value, abs=1e-12), name
