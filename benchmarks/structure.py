"""Measurements of the structure of the code base: size, density, function lengths, importers.

``python -m benchmarks.structure`` prints those of each package; with ``--before REVISION --csv FILE`` it writes them
beside those of an older revision.
"""

import ast
import statistics
import subprocess
from collections import Counter, defaultdict
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from benchmarks.shared import checkout
from common.cli import TYPER, examples, report_user_errors

Places = Annotated[
    list[Path] | None, typer.Argument(help="Files or folders below the root.", show_default="each package")
]
Root = Annotated[Path, typer.Option(help="The checkout to measure.")]
Before = Annotated[str | None, typer.Option(help="A revision to compare with, in --csv.")]
Csv = Annotated[Path | None, typer.Option(help="Table of the comparison.")]
app = typer.Typer(**TYPER)
TEST_FOLDER = "tests"
COMPLEX = 10  # cyclomatic complexity above which a function counts as complex, as in ruff's C901
COMPREHENSION = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def measure(root: Path, files: list[Path]) -> dict[str, float]:
    """Measure ``files``, which are relative to ``root``.

    Returns:
        Numbers by name. Densities are per 1,000 code lines: lines that are neither blank, nor comments, nor docstrings.
    """
    sources = {path: (root / path).read_text() for path in files}
    trees = {path: ast.parse(source) for path, source in sources.items()}
    nodes = [node for tree in trees.values() for node in ast.walk(tree)]
    code: list[str] = []
    comments = 0
    for path, source in sources.items():
        docstrings: set[int] = set()
        for node in ast.walk(trees[path]):
            if (
                isinstance(node, ast.Expr)
                and isinstance(node.value, ast.Constant)
                and isinstance(node.value.value, str)
            ):
                docstrings.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        for number, line in enumerate(source.splitlines(), 1):
            if line.lstrip().startswith("#"):
                comments += 1
            elif line.strip() and number not in docstrings:
                code.append(line)
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    lengths = [_lines(function, function) for function in functions]
    short = sum(_body_lines(function) <= 3 for function in functions)
    private, called_once = _private_functions(trees)
    per_thousand = 1000 / max(1, len(code))
    folders = Counter(path.parent for path in files if path.name != "__init__.py")
    return {
        "files": len(files),
        "lines": sum(source.count("\n") for source in sources.values()),
        "code lines": len(code),
        "most files in a folder": max(folders.values(), default=0),
        "characters per code line": round(statistics.mean(len(line.strip()) for line in code), 1),
        "comprehensions": round(sum(isinstance(node, COMPREHENSION) for node in nodes) * per_thousand, 1),
        "conditional expressions": round(sum(isinstance(node, ast.IfExp) for node in nodes) * per_thousand, 1),
        "tuple assignments": round(sum(map(_is_tuple_assignment, nodes)) * per_thousand, 1),
        "own line comments": round(comments * per_thousand, 1),
        "functions": len(functions),
        "median function lines": statistics.median(lengths),
        "longest function lines": max(lengths),
        "short functions percent": round(100 * short / len(functions), 1),
        "complex functions": sum(_complexity(function) > COMPLEX for function in functions),
        "private functions": private,
        "private functions called once percent": round(100 * called_once / max(1, private), 1),
        "files with one importer": _files_with_one_importer(trees),
    }


def tracked(root: Path) -> list[Path]:
    """Return the Python files that git knows below ``root``, relative to it."""
    command = ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [Path(name) for name in names if (root / name).is_file()]


def by_package(files: list[Path]) -> dict[str, list[Path]]:
    """Group files by their first folder, the tests last; ``all packages`` has all but the tests."""
    groups: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        package = "train.py" if len(path.parts) == 1 else path.parts[0]
        if package != TEST_FOLDER:
            groups["all packages"].append(path)
        groups[package].append(path)
    return dict(groups)


def _is_tuple_assignment(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple)


def _lines(first: ast.stmt, last: ast.stmt) -> int:
    return (last.end_lineno or last.lineno) - first.lineno + 1


def _body_lines(function: ast.FunctionDef) -> int:
    body = function.body[ast.get_docstring(function) is not None :]
    return _lines(body[0], body[-1]) if body else 0


def _complexity(function: ast.FunctionDef) -> int:
    count = 1
    for node in ast.walk(function):
        if isinstance(node, ast.If | ast.For | ast.While | ast.ExceptHandler):
            count += 1
        elif isinstance(node, ast.Match):
            count += len(node.cases)
    return count


def _private_functions(trees: dict[Path, ast.Module]) -> tuple[int, int]:
    """Count the private functions at the top of modules, and those of them that their module names once."""
    private = 0
    called_once = 0
    for tree in trees.values():
        uses = Counter(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("_"):
                private += 1
                called_once += uses[node.name] == 1
    return private, called_once


def _files_with_one_importer(trees: dict[Path, ast.Module]) -> int:
    modules = {".".join(path.with_suffix("").parts).removesuffix(".__init__"): path for path in trees}
    importers: dict[str, set[Path]] = defaultdict(set)
    for path, tree in trees.items():
        for node in ast.walk(tree):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            for name in names:
                if name in modules and modules[name] != path:
                    importers[name].add(path)
    return sum(len(paths) == 1 for name, paths in importers.items() if modules[name].name != "__init__.py")


def compare(root: Path, revision: str) -> pd.DataFrame:
    """Return the measurements of the packages of a revision and of the checkout, and the lines of the tests."""
    columns: dict[str, pd.Series] = {}
    with checkout(revision, root) as before:
        for name, files in ((revision, before), ("now", root)):
            groups = by_package(tracked(files))
            measurements = measure(files, groups["all packages"])
            measurements["lines of tests"] = measure(files, groups[TEST_FOLDER])["lines"]
            columns[name] = pd.Series(measurements, dtype=object)
    return pd.DataFrame(columns).rename_axis("measurement").reset_index()


@app.command(
    epilog=examples(
        "python -m benchmarks.structure evaluation",
        "python -m benchmarks.structure --before 0e58f5c --csv results/structure.csv",
    )
)
@report_user_errors()
def structure(places: Places = None, root: Root = Path(), before: Before = None, csv: Csv = None) -> None:
    """Print the measurements of each package, or write those of a revision and of this checkout as a table."""
    if before and csv:
        compare(root, before).to_csv(csv, index=False)
        return
    files = tracked(root)
    groups = by_package(files)
    if places:
        groups = {}
        for place in places:
            groups[str(place)] = [path for path in files if path == place or place in path.parents]
    for name, paths in groups.items():
        print(name)
        for key, value in measure(root, paths).items():
            print(f"  {key.replace(' ', '_'):<37} {value:>10}")


if __name__ == "__main__":
    app()
