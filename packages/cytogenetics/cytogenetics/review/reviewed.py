"""What is reviewed on the page: items of one file, an image, or of several, the chromosomes of a cell."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from cytogenetics.review.cell_bundle import Box
from cytogenetics.review.decisions import Action, CellDecisions, Decision, DecisionLog, Decisions
from karyocyte.common.checksums import Checksums
from karyocyte.common.errors import UserError
from karyocyte.common.files import sha256_of_file


@dataclass(frozen=True)
class Source:
    """A reviewed file: its absolute path, further columns of an exported table, its box, and the SHA-256 it had."""

    path: Path
    facts: Mapping[str, str]
    box: Box | None = None
    sha256: str | None = None  # when it was shown; None where it was not recorded

    @property
    def fault(self) -> str:
        """What speaks against it, in words; "" where it is the file that was shown."""
        if not self.path.is_file():
            return f"{self.path} is missing"
        if self.sha256 in (None, sha256_of_file(self.path)) or Checksums.accepting:
            return ""
        return f"{self.path} is another picture than the reviewed one"


class Reviewed(ABC):
    """All that the review page needs, without a model."""

    noun: ClassVar[str]  # what an item is: "cell" or "image"
    media_type: ClassVar[str]  # of the pictures
    actions: ClassVar[frozenset[Action]]  # what a reader can do
    columns: ClassVar[tuple[str, ...]] = ()  # names of ``Source.facts``
    no_labels: ClassVar[tuple[str, ...]] = ()  # classes that are none: left out of exported labels
    output: Path  # the folder or file that was named
    classes: tuple[str, ...]  # that a reader can give
    stems: Sequence[str]  # identities of the items in addresses and decisions
    notes: Sequence[str] = ()  # what a reader should know beforehand, in sentences
    decisions_file: Path  # where decisions are kept, unless another file is named

    @abstractmethod
    def identity(self, stem: str) -> str:
        """Return what tells an item from those of other pictures or predictions: decisions on those are not used."""

    def is_own(self, decision: Decision) -> bool:
        """Tell whether a decision is on the picture and the prediction of its item, or changes are accepted."""
        is_known = decision.cell in self.stems
        return not is_known or Checksums.accepting or decision.model == self.identity(decision.cell)

    def metaphase(self, stem: str) -> Path:
        """Return the picture of the metaphase of an item; a ``UserError`` says that it has none."""
        raise UserError(f"{self.output} has no pictures of metaphases")

    @abstractmethod
    def queue(self) -> list[dict[str, Any]]:
        """Return ``stem``, ``title`` and ``doubt`` of each item, most doubtful first.

        Items of the same ``case`` belong together.
        """

    def groups(self, states: Decisions, reader: str) -> dict[str, dict[str, str]]:
        """Return what is said of each case, by its name: nothing of items without cases."""
        return {}

    def result(self, log: DecisionLog) -> str:
        """Return the path of the page that `publish` writes; "" where it writes none."""
        return ""

    def publish(self, log: DecisionLog) -> None:  # noqa: B027 (labels of images are exported)
        """Write what the decisions result in: nothing, unless an item says otherwise."""

    @abstractmethod
    def shown(self, stem: str, decisions: CellDecisions) -> dict[str, Any]:
        """Return what the page shows of an item.

        ``files`` have at least ``name`` and ``class`` (None without one); ``result`` is what would be approved.
        """

    def complete(self, decision: Decision, states: Decisions) -> Decision:
        """Return a decision as it is kept, after all those before it; a ``UserError`` says why it cannot be kept."""
        return decision

    @abstractmethod
    def picture(self, stem: str, decisions: CellDecisions) -> bytes | None:
        """Return the picture of an item; None where it cannot be read."""

    @abstractmethod
    def sources(self, stem: str, decisions: CellDecisions) -> Mapping[str, Source]:
        """Return the files of an item, by name."""
