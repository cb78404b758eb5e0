"""The decisions of readers: an append-only file of JSON lines, and the state of a cell after them."""

import errno
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from common.errors import UserError
from common.karyotype import CHROMOSOMES
from workflows.cell_bundle import NO_CHROMOSOME

FILE = "decisions.jsonl"
CLASSES = (*CHROMOSOMES, NO_CHROMOSOME)
Action = Literal["move", "swap", "turn", "approve", "undo"]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One line.

    Attributes:
        action: "move" an image to a class, "swap" two images, "turn" an image upside down, "approve" the cell, or
            "undo" the reader's last action in the cell that is not undone yet.
        cell: Identity of the cell in the output of scripts/karyotype.py.
        reader: Who decided.
        time: ISO 8601, UTC.
        seconds: Since the reader's last decision in the cell, or since it was opened.
        model: Identity of the runs.
        blind: Whether the predictions were hidden.
        image: The file; None of "approve" and "undo".
        other: Of "swap", the other file.
        from_class: Class of the image before; None without one. In the file: ``from``.
        to: Class of the image; of "swap", that which ``other`` had; of "approve" the karyotype.
        classes: Of "approve", the class of each file.
    """

    action: Action
    cell: str
    reader: str
    time: str
    seconds: float
    model: str
    blind: bool = False
    image: str | None = None
    other: str | None = None
    from_class: str | None = None
    to: str | None = None
    classes: dict[str, str] | None = None

    @property
    def line(self) -> str:
        """The JSON of the decision, without the end of the line."""
        values = {name: value for name, value in asdict(self).items() if value is not None}
        if "from_class" in values:
            values["from"] = values.pop("from_class")
        return json.dumps(values, ensure_ascii=False)

    @classmethod
    def of_line(cls, line: bytes) -> Self | None:
        """Return the decision of a line; None where it is not whole."""
        try:
            values = json.loads(line)
            values["from_class"] = values.pop("from", None)
            if not values.keys() <= {one.name for one in fields(cls)}:
                return None
            decision: Self = _DECISION.validate_python(values)
            return decision
        except (ValueError, AttributeError, TypeError, RecursionError, ValidationError):
            return None


_DECISION: TypeAdapter[Any] = TypeAdapter(Decision)


@dataclass
class CellDecisions:
    """What one reader has decided of one cell.

    Attributes:
        actions: Those that are not undone.
        seconds: The time that the reader took, that of undone actions included.
    """

    actions: list[Decision] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, decision: Decision) -> None:
        """Take a further decision of the reader into account."""
        self.seconds += decision.seconds
        if decision.action != "undo":
            self.actions.append(decision)
        elif self.actions:
            self.actions.pop()

    @property
    def fixed(self) -> dict[str, str]:
        """The classes that the reader has fixed, by file."""
        fixed: dict[str, str] = {}
        for one in self.actions:
            if one.image is not None and one.to is not None and one.action in ("move", "swap"):
                fixed[one.image] = one.to
            if one.action == "swap" and one.other is not None and one.from_class is not None:
                fixed[one.other] = one.from_class
        return fixed

    @property
    def turned(self) -> set[str]:
        """The files that the reader has turned upside down."""
        turned: set[str] = set()
        for one in self.actions:
            if one.action == "turn" and one.image is not None:
                turned ^= {one.image}
        return turned

    @property
    def approval(self) -> Decision | None:
        """The approval of the cell; None where there is none, or a later change."""
        return self.actions[-1] if self.actions and self.actions[-1].action == "approve" else None


# By reader and cell.
Decisions = dict[tuple[str, str], CellDecisions]


def replay(decisions: Iterable[Decision]) -> Decisions:
    """Return what each reader has decided of each cell."""
    states: Decisions = {}
    for decision in decisions:
        states.setdefault((decision.reader, decision.cell), CellDecisions()).add(decision)
    return states


def read_decisions(path: Path) -> tuple[list[Decision], list[int]]:
    """Read the decisions of a file, and the numbers of the lines (from 1) that are not whole."""
    decisions: list[Decision] = []
    torn: list[int] = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        if not line:
            continue
        decision = Decision.of_line(line)
        if decision is None:
            torn.append(number)
        else:
            decisions.append(decision)
    return decisions, torn


def torn_warnings(path: Path, torn: Sequence[int]) -> list[str]:
    """Say which lines are left out."""
    numbers = ", ".join(map(str, torn))
    return [f"{path}, line {numbers}: not whole, as after a crash while it was written; left out"] if torn else []


class DecisionLog:
    """A file of decisions that is only appended to; each is on the disk when ``append`` returns.

    What a crash leaves of a line stays in the file, as a line that is not whole.

    Raises:
        UserError: Another process appends to the file.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(f"{path}.lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise UserError(f"{path} is open in another review: end it, or name another file (--decisions)") from error
        path.touch()
        decisions, torn = read_decisions(path)
        self.warnings = torn_warnings(path, torn)
        self.states = replay(decisions)
        # Whether each reader has decided without the predictions; a reader who has seen them is blind no more.
        self.blind = {one.reader: one.blind for one in decisions}
        with open(path, "rb") as file:
            self._whole = file.read()[-1:] in (b"", b"\n")
        # Without a buffer: what could not be written to a full disk must not come with a later decision.
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 (until `close`)

    def append(self, decision: Decision) -> None:
        """Write a decision through to the disk, and take it into account.

        Raises:
            OSError: It cannot be written, as on a full disk, and is not taken into account.
        """
        self._write(decision.line.encode() + b"\n")
        self.states.setdefault((decision.reader, decision.cell), CellDecisions()).add(decision)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._lock.release()

    def _write(self, line: bytes) -> None:
        content = line if self._whole else b"\n" + line
        self._whole = False
        if self._file.write(content) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(self._file.fileno())
        self._whole = True
