"""The work of scripts/review: serve the page, summarise decisions, write them as labels."""

import os
import socket
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from common.cli import console, say, warn
from common.errors import UserError
from common.files import write_csv
from common.text import counted
from evaluation.terminal import frame_table
from workflows.review.agreement import Approved, approved_cells, kappas, reader_table
from workflows.review.bundle import ReviewBundle
from workflows.review.decisions import NO_CHROMOSOME, Decision, DecisionLog, read_decisions, replay, torn_warnings


def serve(bundle: ReviewBundle, path: Path, name: str, blind: bool, port: int) -> None:
    """Serve the page until Ctrl-C, then print a summary of the decisions.

    Raises:
        UserError: The packages of the extra ``review`` are missing, the port is taken, or the decisions are open in
            another review.
    """
    try:
        import uvicorn

        from workflows.review.server import HOST, Reader, ReviewServer, new_token, review_app
    except ImportError as error:
        raise UserError(
            f"the review page needs {error.name}: pip install -c constraints.txt starlette uvicorn"
        ) from error
    log = DecisionLog(path)
    try:
        warn(*log.warnings)
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((HOST, port))
            except OSError as error:
                raise UserError(f"port {port} is taken: choose another one (--port), or 0 for a free one") from error
            listener.listen()
            token = new_token()
            taken = listener.getsockname()[1]
            say(f"http://{HOST}:{taken}/{token}/", f"reader {name}; decisions: {path}", "Ctrl-C ends the review")
            app = review_app(ReviewServer(bundle, log, Reader(name, blind)), token, taken)
            config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
            try:
                uvicorn.Server(config).run(sockets=[listener])
            except KeyboardInterrupt:  # uvicorn raises it again after it has ended well
                console.print()
    finally:
        log.close()
    summarise(bundle, [path])


def read_approved(paths: Sequence[Path], bundle: ReviewBundle) -> list[Approved]:
    """Return the cells that are approved in one or several files of decisions; warn of lines that are not whole.

    Raises:
        UserError: A file is missing, or is of other cells; or two files have decisions of one reader.
    """
    decisions: list[Decision] = []
    readers: dict[str, Path] = {}
    for path in paths:
        if not path.is_file():
            raise UserError(f"no decisions at {path}: review cells first, or name a file of decisions (--decisions)")
        of_file, torn = read_decisions(path)
        warn(*torn_warnings(path, torn))
        for reader in dict.fromkeys(one.reader for one in of_file):
            if reader in readers:
                raise UserError(f"{readers[reader]} and {path} both have decisions of {reader}: name one of them")
            readers[reader] = path
        decisions += of_file
    approved = list(approved_cells(replay(decisions)))
    known = set(bundle.stems)
    for one in approved:
        if one.cell not in known or not one.classes.keys() <= set(bundle.cell(one.cell).names):
            raise UserError(f"{one.reader} has approved {one.cell}, which is no cell of {bundle.folder.parent}")
    return approved


def summarise(bundle: ReviewBundle, paths: Sequence[Path]) -> None:
    """Print agreement and time: a table of readers and, of several, one of their kappas."""
    approved = read_approved(paths, bundle)
    cells = len({one.cell for one in approved})
    say(f"{counted(cells, 'cell')} of {len(bundle.stems):,} approved")
    if approved:
        console.print(
            frame_table(reader_table(approved, bundle), "readers: share as the model, median seconds per cell")
        )
    table = kappas(approved)
    if len(table):
        console.print(frame_table(table, "agreement of readers"))


def export_labels(bundle: ReviewBundle, paths: Sequence[Path], file: Path) -> None:
    """Write the classes of approved cells as a table: ``path``, ``class``, ``case_id``, ``cell_id``.

    Paths are relative to the table's folder. What is no chromosome is left out. Where readers differ on a chromosome,
    it is left out, and counted.

    Raises:
        UserError: The file exists already, or no cell is approved.
    """
    if file.exists():
        raise UserError(f"--export-labels {file} exists already: choose another name, or move it away")
    named: dict[tuple[str, str], set[str]] = {}
    for one in read_approved(paths, bundle):
        for name, kind in one.classes.items():
            named.setdefault((one.cell, name), set()).add(kind)
    if not named:
        raise UserError("no cell is approved: there are no labels to write")
    rows = []
    for (stem, name), kinds in named.items():
        cell = bundle.cell(stem)
        source = cell.files[cell.names.index(name)].path
        if len(kinds) == 1 and kinds != {NO_CHROMOSOME}:
            path = os.path.relpath(source, file.resolve().parent)
            rows.append({"path": path, "class": next(iter(kinds)), "case_id": cell.case or "", "cell_id": cell.name})
    write_csv(file, pd.DataFrame(rows, columns=["path", "class", "case_id", "cell_id"]))
    differing = sum(len(kinds) > 1 for kinds in named.values())
    none = sum(kinds == {NO_CHROMOSOME} for kinds in named.values())
    say(
        str(file),
        f"{counted(len(rows), 'chromosome')} of approved cells",
        f"left out: {differing:,} on which readers differ, {none:,} that are no chromosome",
    )
