"""Texts and archives of strangers, drawn by hypothesis: each is read, or ends with one line."""

import io
import json
import shutil
import string
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.fuzz.images import NAMES
from benchmarks.fuzz.workflows import Outcome, counted_errors
from common.config.compose import compose_config
from common.runs.files import RunFile
from common.runs.portable import PortableModel
from common.runs.run import Run
from datamodules.inference.cells import Cell, CellColumns, find_cells
from datamodules.inference.image_files import ImageFile
from datamodules.io.archives import unpack
from datamodules.sources import scan
from datamodules.sources.table import TableConfig
from evaluation.result import EvaluationResult
from lightning_modules.checkpoint_io import read_checkpoint
from workflows.karyotyping.fixed import read_fixed
from workflows.review.bundle import ReviewBundle
from workflows.review.decisions import read_decisions

ODD = st.sampled_from([*NAMES, "", " ", "..", "../a.png", "/etc/passwd", "C:\\a.png", "a\0.png", "a.png", "good.png"])
WORD = st.one_of(ODD, st.text(string.printable, max_size=12), st.text(max_size=6))
GOOD = st.sampled_from(["good.png", "good.png", "1", "2", "X", "a"])
CELL = st.one_of(GOOD, GOOD, GOOD, WORD.map(lambda text: '"' + text.replace('"', '""') + '"'), WORD)
COLUMNS = ("path", "label", "class", "subject", "cell_id", "case_id", "file", "fixed")
PORTABLE = {"format": 1, "kind": "karyocyte portable model", "name": "a", "classes": ["a", "b"], "members": []}
KEYS = ("seed", "prepare.size", "model.name", "data.source", "split.fold", "loader", "trainer.max_epochs", "weights")
VALUES = ("1", "-1", "1e400", "null", "[", "{a: 1}", "${oc.env:HOME}", "${hydra:x}", "'", "a=b", "$(id)", "range(0,3)")


def tables() -> st.SearchStrategy[bytes]:
    """Draw CSV tables: of a header that fits or not, rows of any length, any encoding, or mere bytes."""
    even = st.lists(st.lists(CELL, min_size=len(COLUMNS), max_size=len(COLUMNS)), max_size=4)
    ragged = st.lists(st.lists(CELL, max_size=9), max_size=6)
    whole = st.tuples(st.permutations(COLUMNS), even | ragged).map(
        lambda parts: "\n".join(",".join(row) for row in (parts[0], *parts[1]))
    )
    encoded = st.tuples(whole, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]))
    return st.one_of(encoded.map(lambda pair: pair[0].encode(pair[1], "replace")), st.binary(max_size=200))


def zips() -> st.SearchStrategy[bytes]:
    """Draw zip files: with names that lead elsewhere, links, the same name twice; some are damaged or cut."""
    right = st.sampled_from(["a.png", "b.png", "c/d.png", "c/e/f.png"])
    name = st.one_of(right, right, st.text("ab/.", min_size=1, max_size=6), WORD.filter(bool))
    member = st.tuples(name, st.binary(max_size=40), st.sampled_from([0, 0, 0o100644, 0o120777, 0o010644]))
    whole = st.lists(member, max_size=4).map(_zipped)
    damage = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=4)
    damaged = st.tuples(whole, damage, st.integers(0, 2000) | st.none()).map(lambda parts: _damaged(*parts))
    return whole | damaged


def _zipped(members: list[tuple[str, bytes, int]]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content, mode in members:
            info = zipfile.ZipInfo(name.encode("utf-8", "replace").decode())
            info.external_attr = mode << 16
            archive.writestr(info, content)
    return stream.getvalue()


def _damaged(content: bytes, damage: list[tuple[int, int]], end: int | None) -> bytes:
    data = bytearray(content)
    for place, value in damage:
        data[place % len(data)] = value
    return bytes(data[:end])


def overrides() -> st.SearchStrategy[list[str]]:
    """Draw words of a command line of train.py."""
    sign = st.sampled_from(["", "+", "++", "~"])
    pair = st.tuples(sign, st.sampled_from(KEYS) | WORD, st.sampled_from(VALUES) | WORD)
    right = st.sampled_from(["seed=3", "prepare.size=64", "data=synthetic", "split.fold=1", "+profile=smoke"])
    word = st.one_of(right, right, pair.map(lambda parts: f"{parts[0]}{parts[1]}={parts[2]}"), WORD)
    return st.lists(word, min_size=1, max_size=3)


def json_values() -> st.SearchStrategy[Any]:
    """Draw values of JSON."""
    leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_subnormal=False) | WORD
    return st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORD, inner, max_size=3))


def changed_json(original: Any) -> st.SearchStrategy[bytes]:
    """Draw a JSON file with some of its values replaced, some keys removed, or cut."""
    text = json.dumps(original)
    if not isinstance(original, dict) or not original:
        return json_values().map(lambda value: json.dumps(value).encode())
    change = st.dictionaries(st.sampled_from(sorted(original)), json_values(), max_size=3)
    removed = st.lists(st.sampled_from(sorted(original)), max_size=2)
    whole = st.tuples(change, removed).map(
        lambda parts: {key: value for key, value in {**original, **parts[0]}.items() if key not in parts[1]}
    )
    cut = st.integers(0, len(text)).map(lambda end: text[:end].encode())
    deep = st.just(b"[" * 100_000 + b"]" * 100_000)
    return st.one_of(whole.map(lambda value: json.dumps(value).encode()), cut, st.binary(max_size=60), deep)


def damaged(file: Path) -> st.SearchStrategy[bytes]:
    """Draw a file with some of its bytes changed, or cut."""
    content = file.read_bytes()
    damage = st.lists(st.tuples(st.integers(0, len(content)), st.integers(0, 255)), max_size=6)
    end = st.integers(0, len(content)) | st.none()
    return st.tuples(damage, end).map(lambda parts: _damaged(content, *parts))


def decisions() -> st.SearchStrategy[bytes]:
    """Draw lines of a file of decisions."""
    line = st.one_of(json_values().map(lambda value: json.dumps(value).encode()), st.binary(max_size=40))
    return st.lists(line, max_size=4).map(b"\n".join)


class Reader(NamedTuple):
    """What is drawn, and the function that reads it."""

    kind: str
    drawn: st.SearchStrategy[Any]
    read: Callable[[Any], object]


def fuzz_texts(folder: Path, run: Path, output: Path, count: int, first: int) -> list[Outcome]:
    """Give ``count`` texts of each kind to their readers.

    Args:
        folder: A new folder.
        run: A trained run, whose files are changed.
        output: One of scripts/karyotype.py, with a folder ``review``.
        count: Texts of each kind.
        first: The seed.
    """
    folder.mkdir(parents=True)
    Image.new("RGB", (30, 20), (90, 0, 200)).save(folder / "good.png")
    readers = [*_tables(folder), *_run_files(folder / "run", run), *_other_files(folder, output)]
    return [_fuzz(reader, count, first) for reader in readers]


def _tables(folder: Path) -> Iterator[Reader]:
    """Yield the readers of tables, of archives and of command lines."""
    source = TableConfig(source="table", file="labels.csv", path_column="path", label_column="label")
    cells = [Cell("cell", None, (ImageFile(folder / "good.png", "good.png", ("cell",)),))]

    def images(data: bytes) -> None:
        (folder / "labels.csv").write_bytes(data)
        scan(source, str(folder), folder / "cache", progress=False)

    def table_of_cells(data: bytes) -> None:
        find_cells(_written(folder / "cells.csv", data), CellColumns(), folder / "cache", progress=False)

    def unpacked(data: bytes) -> None:
        place = folder / "unpacked"
        shutil.rmtree(place, ignore_errors=True)
        before = set(folder.rglob("*"))
        try:
            unpack(_written(folder / "a.zip", data), place, progress=False)
        finally:
            written = set(folder.rglob("*")) - before - {folder / "a.zip"}
            if not all(path.is_relative_to(place) for path in written):
                raise AssertionError(f"written outside of the folder: {written}")

    yield Reader("table of images", tables(), images)
    yield Reader("table of cells", tables(), table_of_cells)
    yield Reader("fixed classes", tables(), lambda data: read_fixed(_written(folder / "fixed.csv", data), cells))
    yield Reader("zip", zips(), unpacked)
    yield Reader("overrides", overrides(), compose_config)


def _run_files(folder: Path, run: Path) -> Iterator[Reader]:
    """Yield the readers of the files of a run; each is changed alone."""
    shutil.copytree(run, folder)

    def reader(name: str, drawn: st.SearchStrategy[bytes], read: Callable[[Run], object]) -> Reader:
        content = (run / name).read_bytes()

        def read_changed(data: bytes) -> None:
            (folder / name).write_bytes(data)
            try:
                read(Run(folder))
            finally:
                (folder / name).write_bytes(content)

        return Reader(str(name), drawn, read_changed)

    def of_json(name: str) -> st.SearchStrategy[bytes]:
        return changed_json(json.loads((run / name).read_text()))

    evil = st.just(b"!!python/object/apply:os.system ['touch evil']")
    config = changed_json(yaml.safe_load((run / RunFile.CONFIG).read_text()))
    yield reader(RunFile.CONFIG, config | evil, lambda run: run.config)
    yield reader(RunFile.DATA, of_json(RunFile.DATA), lambda run: run.data)
    yield reader(RunFile.MODEL, of_json(RunFile.MODEL), lambda run: run.model)
    yield reader(RunFile.STATUS, of_json(RunFile.STATUS), lambda run: run.status)
    yield reader(RunFile.METRICS, of_json(RunFile.METRICS), lambda run: EvaluationResult.from_dict(run.metrics))
    yield reader(RunFile.SPLIT, tables(), lambda run: run.split)
    weights = str(Run(run).best_checkpoint.relative_to(run))
    yield reader(RunFile.PREDICTIONS, damaged(run / RunFile.PREDICTIONS), lambda run: run.predictions)
    yield reader(weights, damaged(run / weights), lambda run: read_checkpoint(run.best_checkpoint))


def _other_files(folder: Path, output: Path) -> Iterator[Reader]:
    """Yield the readers of decisions, of what the review page shows, and of portable models."""
    shutil.copytree(output / "review", folder / "out" / "review")
    index = folder / "out" / "review" / "index.json"
    cell = next(path for path in sorted(index.parent.glob("*.json")) if path != index)
    contents = {path: json.loads(path.read_text()) for path in (index, cell)}

    def review(path: Path) -> Callable[[bytes], object]:
        def read(data: bytes) -> None:
            path.write_bytes(data)
            try:
                bundle = ReviewBundle(folder / "out")
                for stem in bundle.stems:
                    bundle.cell(stem)
                    bundle.picture(stem)
            finally:
                path.write_text(json.dumps(contents[path]))

        return read

    def portable(data: bytes) -> None:
        (folder / "model.json").write_bytes(data)
        if PortableModel.is_portable(folder):
            _ = PortableModel(folder).description

    yield Reader("decisions", decisions(), lambda data: read_decisions(_written(folder / "decisions.jsonl", data)))
    yield Reader("review, index", changed_json(contents[index]), review(index))
    yield Reader("review, cell", changed_json(contents[cell]), review(cell))
    yield Reader("portable model", changed_json(PORTABLE), portable)


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _fuzz(reader: Reader, count: int, first: int) -> Outcome:
    """Read ``count`` drawn values."""
    outcome = Outcome("read", reader.kind, 0)

    @seed(first)
    @settings(max_examples=count, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(reader.drawn)
    def each(value: Any) -> None:
        outcome.cases += 1
        with counted_errors(outcome):
            reader.read(value)
            outcome.used += 1

    each()
    return outcome
