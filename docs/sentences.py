"""The figures in sentences of the pages, which docs.tables writes from results/ as docs/sentences.yaml says."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from karyocyte.common.errors import UserError

LIST = Path(__file__).with_suffix(".yaml")
COMPLETE = ("README.md",)  # pages each of whose numbers is in the list
FIGURE = r"(?<![\w.-])-?\d[\d,]*(?:\.\d+)?"
# Code, tables, targets of links, HTML, and the names of papers and years.
NO_SENTENCE = re.compile(
    r"```.*?```|^ {4}.*?$|`[^`]*`|<!-- table.*?/table -->|\]\([^)]*\)|<[^>]*>|\b00[1-4]\b|\b20\d\d\b",
    re.DOTALL | re.MULTILINE,
)


def read_tables(results: Path, pattern: str) -> pd.DataFrame:
    """Read one table (CSV or .parquet), or those of a pattern, with their names in the column ``file``."""
    texts = dict.fromkeys(("paper", "printed", "reason", "deviation"), str)  # 004, 0.910; the others may be empty
    tables = []
    for path in sorted(results.glob(pattern)):
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, dtype=texts)
        tables.append(table.assign(file=path.stem))
    return pd.concat(tables, ignore_index=True)


@dataclass(frozen=True)
class Sentence:
    """A part of a sentence, see docs/sentences.yaml."""

    text: str
    table: str = ""
    where: str = ""
    values: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What finds it on a page, each figure as a group, however its lines are broken."""
        return re.compile(re.escape(self.text).replace(r"\{\}", f"({FIGURE})").replace(r"\ ", r"\s+"))

    def figures(self, results: Path) -> list[str]:
        """Return its figures as they are written."""
        if not self.table:
            return []
        rows = read_tables(results, self.table)
        if self.where:
            rows = rows.query(self.where)
        return [f"{value:{form}}" for name, form in self.values.items() for value in np.atleast_1d(rows.eval(name))]

    def fill(self, page: str, results: Path) -> str:
        """Return a page with its figures.

        Raises:
            UserError: The page does not have it once, or it has another number of figures.
        """
        found, figures = list(self.pattern.finditer(page)), self.figures(results)
        if len(found) != 1 or self.pattern.groups != len(figures):
            problem = f"{len(found)} times on its page, with {self.pattern.groups} figures for {len(figures)}"
            raise UserError(f"{LIST.name}: {self.text!r} is {problem}: write the page and the list alike")
        for group, figure in reversed(list(enumerate(figures, 1))):
            start, end = found[0].span(group)
            page = page[:start] + figure + page[end:]
        return page


def read_sentences() -> dict[str, list[Sentence]]:
    """Return the sentences of each page, by its path in the repository."""
    listed = yaml.safe_load(LIST.read_text(encoding="utf-8"))
    return {page: [Sentence(**one) for one in sentences] for page, sentences in listed.items()}


def fill_sentences(name: str, page: str, results: Path) -> str:
    """Return a page, by its path in the repository, with the figures of its sentences.

    Raises:
        UserError: See ``Sentence.fill``; or a number of a page of COMPLETE is in none of its sentences.
    """
    rest = page
    for sentence in read_sentences().get(name, []):
        page = sentence.fill(page, results)
        rest = sentence.pattern.sub("", rest)
    if name in COMPLETE and (left := re.search(FIGURE, NO_SENTENCE.sub("", rest))):
        raise UserError(f"{name}: the sentence with {left[0]} is not in docs/{LIST.name}: add it, with its table")
    return page
