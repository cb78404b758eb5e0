"""The figures in sentences of the pages come from results/, and no number of README.md from elsewhere."""

import re

import pandas as pd
import pytest

from docs.sentences import COMPLETE, FIGURE, NO_SENTENCE, Sentence, fill_sentences, read_sentences
from karyocyte.common.errors import UserError
from karyocyte.common.paths import ROOT

RESULTS = ROOT / "results"
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def results(tmp_path):
    """Two tables, of which one is a .parquet."""
    pd.DataFrame({"seed": [0, 1, 2], "difference": [0.1464, 0.0, -1234.5]}).to_csv(tmp_path / "a.csv", index=False)
    pd.DataFrame({"image": [*"abc"]}).to_parquet(tmp_path / "b.parquet")
    return tmp_path


def test_figures_are_written_where_the_sentence_stands(results):
    page = "It is\nlower by 9 and 9.99 for all. Of 7 images."
    lower = Sentence("is lower by {} and {} for", "a.csv", "seed < 2", values={"difference": ".3f"})
    assert lower.fill(page, results) == "It is\nlower by 0.146 and 0.000 for all. Of 7 images."
    images = Sentence("Of {} images", "b.parquet", values={"image.count()": "d"})
    assert images.fill(page, results).endswith("Of 3 images.")
    with pytest.raises(UserError, match="0 times"):
        images.fill("Of no images.", results)
    with pytest.raises(UserError, match="1 figures for 2"):
        Sentence("Of {} images", "a.csv", "seed < 2", values={"difference": ".3f"}).fill(page, results)


def test_a_changed_number_of_the_front_page_is_written_back_or_an_error(monkeypatch):
    figures = {sentence.text: sentence.figures(RESULTS) for sentence in read_sentences()["README.md"]}
    monkeypatch.setattr(Sentence, "figures", lambda sentence, _: figures[sentence.text])
    assert fill_sentences("README.md", README, RESULTS) == README
    aside = [range(*found.span()) for found in NO_SENTENCE.finditer(README)]
    numbers = [one for one in re.finditer(FIGURE, README) if not any(one.start() in span for span in aside)]
    assert len(numbers) > 20
    for one in numbers:
        digit = str((int(README[one.end() - 1]) + 1) % 10)
        changed = README[: one.end() - 1] + digit + README[one.end() :]
        try:
            assert fill_sentences("README.md", changed, RESULTS) == README, one
        except UserError:
            continue


def test_a_number_without_an_entry_is_an_error():
    assert "README.md" in COMPLETE
    with pytest.raises(UserError, match=r"the sentence with 0\.97 is not"):
        fill_sentences("README.md", f"{README}\nIt has 0.97.\n", RESULTS)
