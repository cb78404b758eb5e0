"""Changes the code at random places, and tells which changes the tests of the place, or else of its area, notice.

``python -m benchmarks.mutants COPY CSV [--seed 56] [--first 0] [--count 120]`` changes a copy of this folder, one place
at a time.
"""

import ast
import random
import sys
from collections.abc import Iterator
from copy import deepcopy
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from shutil import copytree, ignore_patterns, rmtree
from typing import Annotated, Any, NamedTuple

import cv2
import hypothesis
import pandas as pd
import pytest
import pytorch_lightning
import sklearn
import timm
import torch
import torchmetrics
import typer

from karyocyte.common.files import write_csv
from karyocyte.common.paths import ROOT

IMPORTED = (cv2, hypothesis, pytorch_lightning, sklearn, timm, torch, torchmetrics)  # once: tests are forked from here
PACKAGES = ("datamodules", "lightning_modules", "karyocyte")
SECONDS = 240  # that the tests of a place may take
AREA_SECONDS = 1800  # that those of an area may take
COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
SIGNS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
NOT_RUN = (ast.arguments, ast.AnnAssign)  # annotations; defaults are tested by few


class Mutant(NamedTuple):
    """A change of a place of the code."""

    operator: str
    file: str
    line: int
    code: str
    changed: str


def places(path: Path) -> Iterator[tuple[str, Path, int, int]]:
    """Yield operator, module, number of the node and of its change of all places of a module."""
    for number, node in enumerate(_run_nodes(ast.parse(path.read_text()))):
        for change, (operator, _) in enumerate(_changes(node)):
            yield operator, path, number, change


def change(path: Path, number: int, which: int) -> tuple[Mutant, str]:
    """Return a change and the changed source of its module."""
    source = path.read_text()
    node = next(islice(_run_nodes(ast.parse(source)), number, None))
    operator, changed = next(islice(_changes(node), which, None))
    code = ast.get_source_segment(source, node) or ""
    text = "pass" if changed is None else f"({ast.unparse(changed)})"
    lines = source.splitlines(keepends=True)
    column = len(lines[node.lineno - 1].encode()[: node.col_offset].decode())
    start = sum(map(len, lines[: node.lineno - 1])) + column
    about = Mutant(operator, str(path.relative_to(ROOT)), node.lineno, " ".join(code.split()), text)
    return about, source[:start] + text + source[start + len(code) :]


def _run_nodes(tree: ast.AST) -> Iterator[Any]:
    """Yield the expressions and statements that run."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, NOT_RUN):
            continue
        if isinstance(child, ast.expr | ast.stmt) and not isinstance(tree, ast.JoinedStr | ast.FormattedValue):
            yield child
        yield from _run_nodes(child)


def _changes(node: Any) -> Iterator[tuple[str, Any]]:
    """Yield the operators that suit a node, and the changed node; None: dropped."""
    changed = deepcopy(node)
    match node:
        case ast.Compare() if type(node.ops[0]) in COMPARISONS:
            changed.ops[0] = COMPARISONS[type(node.ops[0])]()
            yield "comparison", changed
        case ast.Constant(value=bool(value)):
            changed.value = not value
            yield "constant", changed
        case ast.Constant(value=int(value) | float(value)):
            changed.value = value + 1
            yield "constant", changed
        case ast.UnaryOp(op=ast.USub()):
            yield "sign", changed.operand
        case ast.BinOp() if type(node.op) in SIGNS:
            changed.op = SIGNS[type(node.op)]()
            yield "sign", changed
        case ast.Call(args=[first, second, *_]) if not isinstance(first, ast.Starred):
            changed.args[:2] = [second, first]
            yield "order", changed
        case ast.Expr(value=ast.Call()) | ast.AugAssign():
            yield "dropped", None


def tests_of(file: str) -> list[str]:
    """Return the tests of a module: those of its name, and those of its folder that import it; else all that do."""
    module = Path(file)
    folder = ROOT / "tests" / module.parent
    name = ".".join(module.with_suffix("").parts).removesuffix(".__init__")
    imported = (f"from {name} import", f"from {name.rpartition('.')[0]} import {module.stem}\n")
    named = [path for path in [folder / f"test_{module.stem}.py"] if path.exists()]
    importing = [
        path
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if any(map(path.read_text().__contains__, imported))
    ]
    near = [path for path in importing if path.parent == folder]
    chosen = list(dict.fromkeys([*named, *near])) or importing or sorted(folder.glob("test_*.py"))
    return [str(path.relative_to(ROOT)) for path in chosen[:6]]


def area_of(file: str) -> list[str]:
    """Return the tests of the folder of a module and below, of all commands, and of what they do one after another."""
    chosen = [f"tests/{Path(file).parent}", "tests/karyocyte/commands", "tests/test_smoke.py"]
    return [path for path in chosen if (ROOT / path).exists()]


def _run_tests(copy: Path, tests: list[str]) -> None:
    import os

    copy = copy.resolve()
    file = os.open(copy / "printed", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.chdir(copy)
    os.environ["PYTHONPATH"] = str(copy)  # of the commands that tests start
    for name in [name for name in sys.modules if name.partition(".")[0] in (*PACKAGES, "tests", "docs", "benchmarks")]:
        if name != "benchmarks.mutants":
            del sys.modules[name]
    sys.path[:] = [str(copy), *(path for path in sys.path if Path(path or ".").resolve() != ROOT)]
    options = ["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0", "-m", "not slow"]
    os._exit(int(pytest.main([*options, *tests])))


def outcome(copy: Path, mutant: Mutant, source: str) -> dict[str, Any]:
    """Run the tests of a changed place; where these notice nothing, those of its area."""
    tests = tests_of(mutant.file)
    place = copy / mutant.file
    before = place.read_text()
    place.write_text(source)
    noticed, by = _noticed(copy, tests, SECONDS)
    if noticed == "no":
        noticed, by = _noticed(copy, area_of(mutant.file), AREA_SECONDS)
    place.write_text(before)
    return {**mutant._asdict(), "tests": len(tests), "noticed": noticed, "by": by}


def _noticed(copy: Path, tests: list[str], seconds: float) -> tuple[str, str]:
    process = get_context("fork").Process(target=_run_tests, args=(copy, tests))
    process.start()
    process.join(seconds)
    code = process.exitcode
    if code is None:
        process.kill()
        process.join()
    noticed = {0: "no", 5: "no", None: "yes, by time"}.get(code, "yes")
    last = [line for line in (copy / "printed").read_text().splitlines() if line.startswith(("FAILED", "ERROR"))]
    return noticed, last[0][:160] if last else ""


def main(
    copy: Annotated[Path, typer.Argument()],
    csv: Annotated[Path, typer.Argument()],
    first: int = 0,
    count: int = 120,
    seed: int = 56,
) -> None:
    """Draw changes, by operator and then by place, and write the table."""
    by_operator: dict[str, list[Any]] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for operator, *place in places(path):
                by_operator.setdefault(operator, []).append(place)
    generator = random.Random(seed)  # noqa: S311 (no secret)
    drawn = [generator.choice(by_operator[generator.choice(sorted(by_operator))]) for _ in range(first + count)]
    rmtree(copy, ignore_errors=True)
    copytree(ROOT, copy, ignore=ignore_patterns("outputs", ".venv", "__pycache__", ".mypy_cache", ".ruff_cache"))
    rows = []
    for place in drawn[first:]:
        rows.append(outcome(copy, *change(*place)))
        print(*rows[-1].values(), sep=" | ", flush=True)
        write_csv(csv, pd.DataFrame(rows))


if __name__ == "__main__":
    typer.run(main)
