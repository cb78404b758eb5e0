"""The blocks of a page: facts, tables and drawings."""

from dataclasses import dataclass, field

from karyocyte.evaluation.types.table import Table

Facts = dict[str, str]  # what is known, by its name


@dataclass(frozen=True)
class Figure:
    """A drawing of a ``kind`` that the template has words for; a ``wide`` one needs the whole width of a page."""

    kind: str
    fold: str  # which it is of; "" where there is one
    source: str  # a data URI
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """The content below one heading, ``title``, at the anchor ``name``: sentences, facts, tables, then figures."""

    title: str
    name: str
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    intro: list[str] = field(default_factory=list)
    facts: dict[str, Facts] = field(default_factory=dict)  # by a heading, which may be ""

    def __bool__(self) -> bool:
        return bool(any(self.tables) or self.figures or self.intro or any(self.facts.values()))
