"""Inner folds of the validation images."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.config.ensemble import EnsembleConfig
from common.errors import UserError
from common.predictions import Predictions
from evaluation.core.labelled import score
from evaluation.ensembles.averaging import align
from evaluation.ensembles.membership import EnsembleMembers
from evaluation.ensembles.methods import fit
from evaluation.ensembles.nested_cv import held_out, inner_folds
from tests.helpers.predictions import make_predictions, make_run

CONFIG = EnsembleConfig()


def aligned(count=3, skill=1.0, **keywords):
    runs = [make_run(seed=seed, skill=skill, about={"seed": seed}, **keywords) for seed in range(count)]
    return align(runs, [f"run {seed}" for seed in range(count)])


def problem_of(members):
    names = tuple(f"run {place}" for place in range(len(members)))
    return EnsembleMembers(None, names, names, tuple(members)).problem


def relabelled(runs, label):
    return [Predictions(run.frame.assign(label=label), run.classes, run.positive_class, run.about) for run in runs]


def test_the_problem_holds_labelled_validation_images_alone():
    runs = aligned()
    half = [
        Predictions(
            run.frame.assign(label=run.frame["label"].where(run.frame.index % 3 == 0)),
            run.classes,
            run.positive_class,
            run.about,
        )
        for run in runs
    ]
    problem, whole = problem_of(half), problem_of(runs)
    assert problem.probabilities.shape == (3, 20, 2)
    assert (problem.probabilities == whole.probabilities[:, ::3]).all()
    assert (problem.labels == whole.labels[::3]).all()
    assert whole.probabilities == pytest.approx(np.stack([run.part("validation").probabilities for run in runs]))


def test_one_class_or_no_labelled_image_is_refused():
    runs = aligned()
    with pytest.raises(UserError, match="all 60 validation images are hem"):
        problem_of(relabelled(runs, "hem"))
    with pytest.raises(UserError, match="no labelled validation image"):
        problem_of(relabelled(runs, None))
    with pytest.raises(UserError, match="no labelled validation image"):
        problem_of([make_predictions(part="test"), make_predictions(part="test", seed=1)])


def test_without_subjects_the_problem_has_no_clusters():
    assert problem_of(aligned(subjects=None)).clusters is None
    assert len(np.unique(problem_of(aligned()).clusters)) == 12


@settings(max_examples=25, deadline=None)
@given(st.integers(8, 40), st.integers(2, 4), st.integers(0, 100))
def test_no_subject_is_in_two_folds_and_every_rest_has_every_class(subjects, folds, seed):
    scored = score(make_predictions(images=3 * subjects, subjects=subjects))
    found = inner_folds(scored, folds, seed)
    assert set(found) == set(range(folds))
    for fold in range(folds):
        assert not set(scored.clusters[found == fold]) & set(scored.clusters[found != fold])
        assert set(scored.labels[found != fold]) == {0, 1}


def test_too_few_subjects_are_refused():
    with pytest.raises(UserError, match="--nested 5: validation has 4 subjects"):
        inner_folds(score(make_predictions(images=40, subjects=4)), 5, 0)
    # One subject has all images of the second class.
    with pytest.raises(UserError, match="without one of the folds validation has no all"):
        inner_folds(score(make_predictions(images=40, subjects=3)), 2, 0)


def test_each_fold_is_predicted_by_what_was_fitted_on_the_others():
    problem = problem_of(aligned())
    fold_of = np.arange(60) % 3
    seen = []

    def spy(part):
        seen.append(part.probabilities)
        return fit("best", part, CONFIG, 0)

    found = held_out(problem, fold_of, spy)
    for fold, inside in enumerate(seen):
        assert (inside == problem.probabilities[:, fold_of != fold]).all()
        chosen = fit("best", problem.select(fold_of != fold), CONFIG, 0).weights.argmax()
        assert (found[fold_of == fold] == problem.probabilities[chosen][fold_of == fold]).all()
