"""Karyotypes by their counts."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytogenetics.karyotypes.naming import MARKER, name_karyotype
from karyocyte.common.karyotype import CHROMOSOMES

FEMALE = Counter(dict.fromkeys(CHROMOSOMES[:-1], 2))
MALE = FEMALE - Counter("X") + Counter("Y")
HAPLOID = Counter(CHROMOSOMES[:-1])


@pytest.mark.parametrize(
    ("counts", "iscn", "kind", "label"),
    [
        (FEMALE, "46,XX", "normal", "normal"),
        (MALE, "46,XY", "normal", "normal"),
        (FEMALE + Counter(["21"]), "47,XX,+21", "trisomy", "abnormal"),
        (FEMALE - Counter("X"), "45,X", "sex_aneuploidy", "abnormal"),
        (MALE + Counter("Y"), "47,XYY", "sex_aneuploidy", "abnormal"),
        (MALE - Counter(["15"]), "45,XY,-15", "preparation_loss", None),
        (MALE - Counter(["15"]) + Counter("Y"), "46,XYY,-15", "unclear", None),
        (FEMALE + Counter(["21", "21"]), "48,XX,+21,+21", "unclear", None),
        (MALE - Counter("XY"), "44,0", "unclear", None),
        (MALE + Counter({MARKER: 1}), "47,XY,+mar", "unclear", None),
        (FEMALE - Counter("X") + Counter({MARKER: 2}), "47,X,+2mar", "unclear", None),
        (FEMALE + HAPLOID, "69,XXX", "unclear", None),
        (MALE + HAPLOID + Counter(["21"]), "70,XXY,+21", "unclear", None),
        (FEMALE + HAPLOID - Counter("X"), "68,XX", "unclear", None),
        (MALE + MALE, "92,XXYY", "unclear", None),
        (HAPLOID, "23,X", "unclear", None),
    ],
)
def test_it_names_what_the_counts_say(counts, iscn, kind, label):
    assert name_karyotype(counts) == (iscn, kind, label)


@given(st.dictionaries(st.sampled_from(CHROMOSOMES), st.integers(0, 4)))
def test_every_count_has_a_name_that_begins_with_its_total(counts):
    named = name_karyotype(counts)
    assert named.iscn.split(",")[0] == str(sum(counts.values()))
    assert (named.kind == "normal") == (Counter(counts) in (FEMALE, MALE))
