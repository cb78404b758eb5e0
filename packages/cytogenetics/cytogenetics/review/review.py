"""The work of scripts/review.py: serve the page, write decisions as labels."""

import os
import secrets
import socket
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cytogenetics.metaphases.sources.metaphase_boxes import UNKNOWN_NAME, write_voc
from cytogenetics.review.cell_bundle import FOLDER, INDEX, NO_CHROMOSOME, write_picture
from cytogenetics.review.cells import CellReview
from cytogenetics.review.decisions import DecisionLog, read_decisions, replay
from cytogenetics.review.drawn import read_picture
from cytogenetics.review.images import NO_CLASS, ImageReview
from cytogenetics.review.reviewed import Reviewed, Source
from datamodules.io.whole_folder import new_whole_folder
from karyocyte.common.checksums import OPTION
from karyocyte.common.cli import console, say, warn
from karyocyte.common.errors import UserError
from karyocyte.common.files import write_csv
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.common.text import counted
from karyocyte.evaluation.pooling.predicted_table import is_predicted
from karyocyte.runs.arguments import new_folder

LISTED = 5  # files in an error


def open_review(output: Path) -> Reviewed:
    """Open an output folder of scripts/karyotype.py or a table of scripts/predict.py.

    Raises:
        UserError: It is neither, or damaged.
    """
    if (output / FOLDER / INDEX).is_file():
        return CellReview(output)
    table = output.with_suffix(".parquet")
    if output.suffix in (".parquet", ".csv") and is_predicted(table):
        return ImageReview(table)
    raise UserError(
        f"{output} is nothing that can be reviewed: name the output folder of scripts/karyotype.py, or the "
        "table of scripts/predict.py"
    )


def serve(reviewed: Reviewed, path: Path, names: Sequence[str], port: int) -> None:
    """Serve the page, for each reader at an address, until Ctrl-C, then print how many items are approved.

    Raises:
        UserError: The packages of the extra ``review`` are missing, the port is taken, or the decisions are open
            in another review.
    """
    try:
        import uvicorn

        from cytogenetics.review.server import HOST, ReviewServer, review_app
    except ImportError as error:
        raise UserError(
            f"the review page needs {error.name}: pip install -c constraints.txt starlette uvicorn"
        ) from error
    log = DecisionLog(path, reviewed.is_own)
    try:
        warn(*log.warnings)
        reviewed.publish(log)
        # Bound here and not by uvicorn: the address with a free port is printed before the page is served.
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((HOST, port))
            except OSError as error:
                raise UserError(f"port {port} is taken: choose another one (--port), or 0 for a free one") from error
            listener.listen()
            servers = {}
            for name in names:
                token = secrets.token_urlsafe(24)
                servers[token] = ReviewServer(reviewed, log, name)
                say(f"http://{HOST}:{listener.getsockname()[1]}/{token}/", f"reader {name}; decisions: {path}")
            say("Ctrl-C ends the review")
            app = review_app(servers)
            config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
            try:
                uvicorn.Server(config).run(sockets=[listener])
            except KeyboardInterrupt:  # uvicorn raises it again after it has ended well
                console.print()
        log.refresh()
        reviewed.publish(log)
    except OSError as error:
        raise UserError(f"{error}: what is approved may not be written; begin the review again") from error
    finally:
        log.close()
    approved = approved_classes(reviewed, path)["stem"].nunique()
    summary = f"{counted(approved, reviewed.noun)} of {len(reviewed.stems):,} approved"
    say(*filter(None, [summary, reviewed.result(log)]))


def approved_classes(reviewed: Reviewed, path: Path) -> pd.DataFrame:
    """Return ``reader``, ``stem``, ``name``, ``class`` and ``source`` of approved files; warn of broken lines.

    Raises:
        UserError: The file of decisions is missing, or is of other items.
    """
    if not path.is_file():
        raise UserError(
            f"no decisions at {path}: review {reviewed.noun}s first, or name a file of decisions (--decisions)"
        )
    decisions, warnings = read_decisions(path, reviewed.is_own)
    warn(*warnings)
    rows: list[tuple[str, str, str, str, Source]] = []
    for (reader, stem), state in replay(decisions).items():
        classes = (state.approval and state.approval.classes) or {}
        sources = reviewed.sources(stem, state) if classes and stem in reviewed.stems else {}
        if not classes.keys() <= sources.keys():
            raise UserError(f"{reader} has approved {stem}, which is no {reviewed.noun} of {reviewed.output}")
        for name, kind in classes.items():
            rows.append((reader, stem, name, kind, sources[name]))
    return pd.DataFrame(rows, columns=["reader", "stem", "name", "class", "source"])


def export_labels(reviewed: Reviewed, path: Path, file: Path) -> None:
    """Write the classes of approved files as a table: ``path``, ``class``, and the columns that are known of any.

    Paths are relative to the table's folder. What is no chromosome is left out, and an image of none of the classes has
    an empty class. Where readers differ on a file, it is left out, and counted.

    Raises:
        UserError: The table exists already, nothing is approved, or files are missing or not those that were reviewed.
    """
    if file.exists():
        raise UserError(f"--export-labels {file} exists already: choose another name, or move it away")
    approved = approved_classes(reviewed, path)
    if approved.empty:
        raise UserError(f"no {reviewed.noun} is approved: there are no labels to write")
    files = approved.groupby(["stem", "name"], sort=False)
    agreed = files.first()[files["class"].nunique() == 1]
    labels = agreed[~agreed["class"].isin(reviewed.no_labels)]
    rows = []
    if faults := list(filter(None, (source.fault for source in labels["source"]))):
        listed = "; ".join(faults[:LISTED]) + "; ..." * (len(faults) > LISTED)
        remedy = f"put the reviewed files back, or name and review the pictures anew; {OPTION} takes changed ones"
        raise UserError(f"{counted(len(faults), 'label')} would be of other pictures: {listed}: {remedy}")
    for source, kind in zip(labels["source"], labels["class"], strict=True):
        place = os.path.relpath(source.path, file.resolve().parent)
        rows.append({"path": place, "class": kind, **source.facts})
    table = pd.DataFrame(rows, columns=["path", "class", *reviewed.columns])
    # Without cases the cells are the subjects of a split; a column of blanks would say that no subject is known.
    unknown = [name for name in reviewed.columns if not table[name].any()]
    write_csv(file, table.drop(columns=unknown))
    none = int(table["class"].eq(NO_CLASS).sum())
    written = f"{counted(len(table) - none, 'label')} of approved {reviewed.noun}s"
    if none:
        written += f", and {counted(none, 'image')} of none of the classes, without a label"
    left_out = f"left out: {len(files) - len(agreed):,} on which readers differ"
    if reviewed.no_labels:
        left_out += f", {len(agreed) - len(labels):,} markers or no chromosomes"
    say(str(file), written, left_out)


def export_boxes(reviewed: Reviewed, path: Path, folder: Path) -> None:
    """Write the approved pictures of metaphases and their boxes, as Pascal VOC, to a new folder.

    A chromosome without a class, such as a marker, or on whose class readers differ is a box of unknown class. Pictures
    on whose chromosomes readers differ are left out, and counted.

    Raises:
        UserError: The folder exists already, or no boxes are approved.
    """
    new_folder(folder, "--export-boxes")
    boxes = []
    differ = 0
    with new_whole_folder(folder, of_data=True) as beside:
        for stem, files in approved_classes(reviewed, path).groupby("stem"):
            shown = files[files["class"] != NO_CHROMOSOME].groupby("name", sort=False)
            if files["source"].iloc[0].box is None or not len(shown):
                continue
            places = shown["source"].agg(lambda sources: len({str(source.box) for source in sources}))
            if shown.size().ne(files["reader"].nunique()).any() or places.gt(1).any():
                differ += 1
                continue
            known = shown["class"].first().isin(CHROMOSOMES) & (shown["class"].nunique() == 1)
            boxes.append([source.box for source in shown["source"].first()])
            write_picture(beside / f"{stem}.png", read_picture(reviewed.metaphase(str(stem))))
            write_voc(beside / f"{stem}.xml", shown["class"].first().where(known, UNKNOWN_NAME), boxes[-1])
        if not boxes:
            raise UserError("no boxes are approved: review cells of metaphases first")
    left_out = f"left out: {counted(differ, 'picture')} on whose boxes readers differ"
    say(str(folder), f"{sum(map(len, boxes)):,} boxes of {counted(len(boxes), 'picture')}", left_out)
