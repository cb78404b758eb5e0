"""Pseudonyms: stable, one for each, and silent about the true names."""

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.report.pseudonyms import name_all

SUBJECTS = ["17", "4", "H2", "ward7"]


def frame(subjects):
    return pd.DataFrame({"image_id": [f"UID_{n}_{s}" for n, s in enumerate(subjects)], "subject": subjects})


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([*SUBJECTS, None]), min_size=1, max_size=40), st.randoms())
def test_every_image_has_a_name_of_its_own_that_says_its_subject_and_no_more(subjects, random):
    given_frame = frame(subjects)
    names = name_all(given_frame, real=False)
    assert len(set(names.images.values())) == len(subjects)
    assert len(set(names.subjects.values())) == len(set(subjects) - {None})
    for image_id, subject in zip(given_frame["image_id"], subjects, strict=True):
        shown = names.images[image_id]
        assert shown.startswith(f"{names.subjects[subject]}-" if subject else "I")
        assert "UID" not in shown
        assert "ward7" not in shown
    # The order of the rows does not matter: the same images have the same names in every report.
    shuffled = given_frame.sample(frac=1, random_state=random.randrange(1000))
    assert name_all(shuffled, real=False) == names


def test_the_order_of_the_numbers_is_not_that_of_the_names():
    subjects = [f"{number:03d}" for number in range(50)]
    shown = name_all(frame(subjects), real=False).subjects
    assert [shown[name] for name in subjects] != sorted(shown.values())


def test_the_key_leads_back():
    names = name_all(frame(["4", "4", None]), real=False)
    key = names.key()
    assert dict(zip(key["image_id"], key["shown"], strict=True)) == names.images
    assert set(key["shown"]) == {"S001-01", "S001-02", "I0001"}


def test_real_names_are_left_as_they_are():
    names = name_all(frame(["4", None]), real=True)
    assert names.images == {"UID_0_4": "UID_0_4", "UID_1_None": "UID_1_None"}
    assert names.subjects == {"4": "4"}
