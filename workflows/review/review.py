"""The work of scripts/review.py: serve the page, write decisions as labels."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from common.cli import console, say, warn
from common.errors import UserError
from common.files import write_csv
from common.runs.run import Run
from common.text import counted
from evaluation.predicted_table import is_predicted
from workflows.cell_bundle import FOLDER, INDEX
from workflows.review.cells import CellReview
from workflows.review.decisions import DecisionLog, read_decisions, replay, torn_warnings
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
    raise UserError(
        f"{output} is nothing that can be reviewed: name the output folder of scripts/karyotype.py (one of an older "
        "revision must be made again), the table of scripts/predict.py, or a finished run"
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
    summarise(reviewed, path)


@dataclass(frozen=True)
class Approved:
    """An item that a reader has approved, with the class of each file."""

    reader: str
    stem: str
    classes: dict[str, str]


def read_approved(path: Path, reviewed: Reviewed) -> list[Approved]:
    """Return the items that are approved in a file of decisions; warn of lines that are not whole.

    Raises:
        UserError: The file is missing, or is of other items.
    """
    if not path.is_file():
        raise UserError(
            f"no decisions at {path}: review {reviewed.noun}s first, or name a file of decisions (--decisions)"
        )
    decisions, torn = read_decisions(path)
    warn(*torn_warnings(path, torn))
    known = set(reviewed.stems)
    approved = []
    for (reader, stem), state in replay(decisions).items():
        classes = state.approval.classes if state.approval else None
        if classes is None:
            continue
        if stem not in known or not classes.keys() <= reviewed.sources(stem).keys():
            raise UserError(f"{reader} has approved {stem}, which is no {reviewed.noun} of {reviewed.output}")
        approved.append(Approved(reader, stem, classes))
    return approved


def summarise(reviewed: Reviewed, path: Path) -> None:
    """Print how many items are approved, and on how many of their files the model was right."""
    approved = read_approved(path, reviewed)
    files = same = 0
    for one in approved:
        sources = reviewed.sources(one.stem)
        files += len(one.classes)
        same += sum(sources[name].predicted == kind for name, kind in one.classes.items())
    count = len({one.stem for one in approved})
    lines = [f"{same:,} of {counted(files, 'file')} have the class of the model"] if files else []
    say(f"{counted(count, reviewed.noun)} of {len(reviewed.stems):,} approved", *lines)


def export_labels(reviewed: Reviewed, path: Path, file: Path) -> None:
    """Write the classes of approved files as a table: ``path``, ``class``, and the columns that are known of any.

    Paths are relative to the table's folder. What is no chromosome is left out. Where readers differ on a file, it is
    left out, and counted.

    Raises:
        UserError: The table exists already, or nothing is approved.
    """
    if file.exists():
        raise UserError(f"--export-labels {file} exists already: choose another name, or move it away")
    named: dict[tuple[str, str], set[str]] = {}
    for one in read_approved(path, reviewed):
        for name, kind in one.classes.items():
            named.setdefault((one.stem, name), set()).add(kind)
    if not named:
        raise UserError(f"no {reviewed.noun} is approved: there are no labels to write")
    rows = []
    differing = none = 0
    for (stem, name), kinds in named.items():
        if len(kinds) > 1:
            differing += 1
        elif reviewed.no_label in kinds:
            none += 1
        else:
            source = reviewed.sources(stem)[name]
            place = os.path.relpath(source.path, file.resolve().parent)
            rows.append({"path": place, "class": min(kinds), **source.facts})
    table = pd.DataFrame(rows, columns=["path", "class", *reviewed.columns])
    unknown = [name for name in reviewed.columns if (table[name] == "").all()]
    # Without cases the cells are the subjects of a split; a column of blanks would say that no subject is known.
    write_csv(file, table.drop(columns=unknown))
    left_out = f"left out: {differing:,} on which readers differ"
    if reviewed.no_label is not None:
        left_out += f", {none:,} that are no chromosome"
    say(str(file), f"{counted(len(rows), 'label')} of approved {reviewed.noun}s", left_out)
