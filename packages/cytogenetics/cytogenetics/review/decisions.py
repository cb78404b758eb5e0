"""The decisions of readers: an append-only file of JSON lines, and the state of a cell after them."""

import errno
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import filterfalse
from pathlib import Path
from typing import Annotated, Literal

from filelock import Timeout
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError

from cytogenetics.karyotypes.naming import MARKER
from cytogenetics.review.cell_bundle import NO_CHROMOSOME, Box
from karyocyte.common.checksums import OPTION
from karyocyte.common.errors import UserError
from karyocyte.common.files import sha256_of_value
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.common.locks import file_lock
from karyocyte.common.text import counted

FILE = "decisions.jsonl"
CLASSES = (*CHROMOSOMES, MARKER, NO_CHROMOSOME)
Action = Literal["move", "swap", "turn", "add", "cut", "join", "resize", "note", "approve", "reject", "sign", "undo"]


def _checked_time(text: str) -> str:
    datetime.fromisoformat(text)
    return text


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One line."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    # "move" an image to a class, "swap" two images, "turn" an image upside down, "note" something on the cell,
    # "approve" or "reject" it, "sign" its case, or "undo" the reader's last action in the cell that is not undone yet.
    # On the picture of a metaphase: "add" a chromosome, "cut" an image in two, "join" two images, "resize" (also: move)
    # the box of an image
    action: Action
    cell: str  # identity of the cell, or of the single image
    reader: str  # who decided
    time: Annotated[str, AfterValidator(_checked_time)]  # ISO 8601, UTC
    seconds: float  # since the reader's last decision in the cell, or since it was opened
    model: str  # identity of the picture and the predictions, see `Reviewed.identity`
    image: str | None = None  # the file; of "add", one that was left out, or None; None of "approve" and "undo"
    other: str | None = None  # of "swap" and "join", the other file
    # class of the image before; None without one. In the file: ``from``
    from_class: Annotated[str | None, Field(alias="from")] = None
    to: str | None = None  # class of the image; of "swap", that which ``other`` had; of "approve", "sign" the karyotype
    classes: dict[str, str] | None = None  # of "approve", the class of each file; of "sign", the karyotypes of cells
    text: str | None = None  # of "note", and the reason of "reject"
    boxes: list[Box] | None = None  # of "add", "cut", "join" and "resize", those of what is cut out
    points: list[tuple[float, float]] | None = None  # of "cut", x and y in the picture of those of the line
    blind: bool | None = None  # of readers before version 4.0.0: whether they saw no prediction

    @property
    def drawn(self) -> dict[str, Box]:
        """The boxes of what is cut out by the names of the files, which differ wherever the decisions do."""
        boxes = self.boxes or []
        if self.action == "add" and self.image:
            return dict.fromkeys([self.image], *boxes)
        digest = sha256_of_value([self.image, self.other, self.points, boxes])[:8]
        return {f"{self.cell}/{self.action}-{digest}-{number}.png": box for number, box in enumerate(boxes, 1)}

    @property
    def line(self) -> bytes:
        """The JSON of the decision, without the end of the line."""
        return _DECISION.dump_json(self, by_alias=True, exclude_none=True)


_DECISION = TypeAdapter(Decision)


@dataclass
class CellDecisions:
    """What one reader has decided of one cell: the actions that are not undone, and the number of all lines."""

    actions: list[Decision] = field(default_factory=list)
    lines: int = 0

    def add(self, decision: Decision) -> None:
        """Take a further decision of the reader into account."""
        self.lines += 1
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
            if one.action in ("cut", "join"):
                fixed |= dict.fromkeys(filter(None, (one.image, one.other)), NO_CHROMOSOME)
        return fixed

    @property
    def drawn(self) -> dict[str, tuple[str, Box]]:
        """The file and the box that the reader has drawn last of a chromosome, by its name: that of its first file."""
        drawn: dict[str, tuple[str, Box]] = {}
        for one in self.actions:
            for file, box in one.drawn.items():
                name = one.image if one.action == "resize" and one.image else file
                drawn[name] = (file, box)
        return drawn

    @property
    def removed(self) -> set[str]:
        """The files that are no chromosomes for the reader."""
        return {name for name, kind in self.fixed.items() if kind == NO_CHROMOSOME}

    @property
    def turned(self) -> set[str]:
        """The files that the reader has turned upside down."""
        turned: set[str] = set()
        for one in self.actions:
            if one.action == "turn" and one.image is not None:
                turned ^= {one.image}
        return turned

    @property
    def note(self) -> str:
        """The last note on the cell."""
        notes = [one.text or "" for one in self.actions if one.action == "note"]
        return notes[-1] if notes else ""

    @property
    def approval(self) -> Decision | None:
        """The approval of the cell; None where there is none, or a later change."""
        return self._last("approve")

    @property
    def rejection(self) -> Decision | None:
        """The rejection of the cell; None where there is none, or a later change."""
        return self._last("reject")

    @property
    def state(self) -> Literal["approved", "rejected", ""]:
        """Whether the reader is done with the cell."""
        if self.approval:
            return "approved"
        return "rejected" if self.rejection else ""

    def _last(self, action: Action) -> Decision | None:
        changes = [one for one in self.actions if one.action not in ("note", "sign")]
        return changes[-1] if changes and changes[-1].action == action else None


# Whether a decision is on a picture and prediction that are reviewed.
IsOwn = Callable[[Decision], bool]
# By reader and cell.
Decisions = dict[tuple[str, str], CellDecisions]


def replay(decisions: Iterable[Decision]) -> Decisions:
    """Return what each reader has decided of each cell."""
    states: Decisions = {}
    for decision in decisions:
        states.setdefault((decision.reader, decision.cell), CellDecisions()).add(decision)
    return states


def read_decisions(path: Path, is_own: IsOwn = lambda _: True) -> tuple[list[Decision], list[str]]:
    """Read the decisions of a file, those that ``is_own`` accepts, and warnings of the lines that are left out."""
    decisions: list[Decision] = []
    warnings: list[str] = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        try:
            if line:
                decisions.append(_DECISION.validate_json(line))
        except ValidationError:
            warnings.append(
                f"{path}, line {number}: no whole decision, as after a crash while it was written; left out"
            )
    if others := list(filterfalse(is_own, decisions)):
        items = ", ".join(sorted({one.cell for one in others}))
        warnings.append(
            f"{path}: {counted(len(others), 'decision')} on other pictures or predictions left out, of {items}; "
            f"{OPTION} uses them"
        )
    return list(filter(is_own, decisions)), warnings


class DecisionLog:
    """A file of decisions that is only appended to; each is on the disk when ``append`` returns.

    What a crash leaves of a line stays in the file, as a line that is not whole. Of a file that another program has
    changed or replaced, ``refresh`` reads the decisions that are in it now.

    Raises:
        UserError: Another process appends to the file.
    """

    def __init__(self, path: Path, is_own: IsOwn = lambda _: True) -> None:
        self.path = path
        self._is_own = is_own
        self._lock = file_lock(Path(f"{path}.lock"))
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise UserError(f"{path} is open in another review: end it, or name another file (--decisions)") from error
        path.touch()
        self._open()

    def _open(self) -> None:
        # Without a buffer: what could not be written to a full disk must not come with a later decision.
        self._file = open(self.path, "ab", buffering=0)  # noqa: SIM115 (until `close`)
        self._known = self._identity(os.fstat(self._file.fileno()))
        decisions, self.warnings = read_decisions(self.path, self._is_own)
        self.states = replay(decisions)
        self._whole = self.path.read_bytes()[-1:] in (b"", b"\n")

    def _identity(self, facts: os.stat_result) -> tuple[int, int, int]:
        return facts.st_dev, facts.st_ino, facts.st_size

    def refresh(self) -> None:
        """Read the file again where it is no longer the one that was written: ``states`` are new then.

        Raises:
            OSError: It is gone.
        """
        try:
            changed = self._identity(self.path.stat()) != self._known
        except FileNotFoundError as error:
            raise OSError(error.errno, f"{self.path} is gone: put it back, or begin the review again") from error
        if changed:
            self._file.close()
            self._open()

    def append(self, decision: Decision) -> None:
        """Write a decision through to the disk, and take it into account.

        Raises:
            OSError: It cannot be written, as on a full disk or where the file is gone, and is not taken into account.
        """
        self.refresh()
        self._write(decision.line + b"\n")
        self.states.setdefault((decision.reader, decision.cell), CellDecisions()).add(decision)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._lock.release()

    def _write(self, line: bytes) -> None:
        content = line if self._whole else b"\n" + line
        self._whole = False
        try:
            if self._file.write(content) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
            self._whole = True
        finally:
            self._known = self._identity(os.fstat(self._file.fileno()))
