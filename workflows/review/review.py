"""The work of scripts/review.py: serve the page, summarise decisions, write them as labels."""

import os
import socket
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from common.cli import console, say, warn
from common.errors import UserError
from common.files import write_csv
from common.runs.run import Run
from common.text import counted
from evaluation.predicted_table import is_predicted
from evaluation.terminal import frame_table
from workflows.review.agreement import Approved, approved_items, kappas, reader_table
from workflows.review.bundle import FOLDER, INDEX
from workflows.review.cells import CellReview
from workflows.review.decisions import Decision, DecisionLog, read_decisions, replay, torn_warnings
from workflows.review.reviewed import Reviewed


def open_review(output: Path) -> Reviewed:
    """Open an output folder of scripts/karyotype.py, a table of scripts/predict.py or a run.

    Raises:
        UserError: It is none of them, or damaged.
    """
    if (output / FOLDER / INDEX).is_file():
        return CellReview(output)
    from workflows.review.images import ImageReview  # pandas and pictures: cells need neither

    table = output.with_suffix(".parquet")
    if output.suffix in (".parquet", ".csv") and is_predicted(table):
        return ImageReview.of_table(table)
    if Run.is_run(output):
        return ImageReview.of_run(Run(output))
    problem = "is nothing that can be reviewed" if output.exists() else "does not exist"
    raise UserError(
        f"{output} {problem}: name the output folder of scripts/karyotype.py (one of an older revision must be made "
        "again), the table of scripts/predict.py, or a finished run"
    )


def serve(reviewed: Reviewed, path: Path, name: str, blind: bool, port: int) -> None:
    """Serve the page until Ctrl-C, then print a summary of the decisions.

    Raises:
        UserError: The packages of the extra ``review`` are missing, the port is taken, the decisions are open in
            another review, or the reader has reviewed otherwise, blind or not.
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
        if log.blind.get(name, blind) != blind:
            how = "with" if log.blind[name] else "without"
            raise UserError(f"{path}: {name} has reviewed {how} --blind: do so again, or choose another --reader")
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
            app = review_app(ReviewServer(reviewed, log, Reader(name, blind)), token, taken)
            config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
            try:
                uvicorn.Server(config).run(sockets=[listener])
            except KeyboardInterrupt:  # uvicorn raises it again after it has ended well
                console.print()
    finally:
        log.close()
    summarise(reviewed, [path])


def read_approved(paths: Sequence[Path], reviewed: Reviewed) -> list[Approved]:
    """Return the items that are approved in one or several files of decisions; warn of lines that are not whole.

    Raises:
        UserError: A file is missing, or is of other items; or two files have decisions of one reader.
    """
    decisions: list[Decision] = []
    readers: dict[str, Path] = {}
    for path in paths:
        if not path.is_file():
            raise UserError(
                f"no decisions at {path}: review {reviewed.noun}s first, or name a file of decisions (--decisions)"
            )
        of_file, torn = read_decisions(path)
        warn(*torn_warnings(path, torn))
        for reader in dict.fromkeys(one.reader for one in of_file):
            if reader in readers:
                raise UserError(f"{readers[reader]} and {path} both have decisions of {reader}: name one of them")
            readers[reader] = path
        decisions += of_file
    approved = list(approved_items(replay(decisions)))
    known = set(reviewed.stems)
    for one in approved:
        if one.stem not in known or not one.classes.keys() <= reviewed.sources(one.stem).keys():
            raise UserError(f"{one.reader} has approved {one.stem}, which is no {reviewed.noun} of {reviewed.output}")
    return approved


def summarise(reviewed: Reviewed, paths: Sequence[Path]) -> None:
    """Print agreement and time: a table of readers and, of several, one of their kappas."""
    approved = read_approved(paths, reviewed)
    count = len({one.stem for one in approved})
    say(f"{counted(count, reviewed.noun)} of {len(reviewed.stems):,} approved")
    if approved:
        title = f"readers: share as the model, median seconds per {reviewed.noun}"
        console.print(frame_table(reader_table(approved, reviewed), title))
    table = kappas(approved)
    if len(table):
        console.print(frame_table(table, "agreement of readers"))


def export_labels(reviewed: Reviewed, paths: Sequence[Path], file: Path) -> None:
    """Write the classes of approved files as a table: ``path``, ``class``, and the columns that are known of any.

    Paths are relative to the table's folder. What is no chromosome is left out. Where readers differ on a file, it is
    left out, and counted.

    Raises:
        UserError: The table exists already, or nothing is approved.
    """
    if file.exists():
        raise UserError(f"--export-labels {file} exists already: choose another name, or move it away")
    named: dict[tuple[str, str], set[str]] = {}
    for one in read_approved(paths, reviewed):
        for name, kind in one.classes.items():
            named.setdefault((one.stem, name), set()).add(kind)
    if not named:
        raise UserError(f"no {reviewed.noun} is approved: there are no labels to write")
    rows = []
    for (stem, name), kinds in named.items():
        if len(kinds) == 1 and kinds != {reviewed.no_label}:
            source = reviewed.sources(stem)[name]
            path = os.path.relpath(source.path, file.resolve().parent)
            rows.append({"path": path, "class": next(iter(kinds)), **source.facts})
    table = pd.DataFrame(rows, columns=["path", "class", *reviewed.columns])
    unknown = [name for name in reviewed.columns if (table[name] == "").all()]
    # Without cases the cells are the subjects of a split; a column of blanks would say that no subject is known.
    write_csv(file, table.drop(columns=unknown))
    differing = sum(len(kinds) > 1 for kinds in named.values())
    left_out = f"left out: {differing:,} on which readers differ"
    if reviewed.no_label is not None:
        none = sum(kinds == {reviewed.no_label} for kinds in named.values())
        left_out += f", {none:,} that are no chromosome"
    say(str(file), f"{counted(len(rows), 'label')} of approved {reviewed.noun}s", left_out)
