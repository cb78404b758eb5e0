"""Measurements of the structure of the code base: size, density, function lengths, importers.

``python -m benchmarks.structure`` prints those of each package; with ``--before REVISION --csv FILE`` it writes them
beside those of an older revision.
"""

import argparse
import ast
import csv
import statistics
import subprocess
import tempfile
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, fields
from pathlib import Path

TEST_FOLDER = "tests"
COMPLEX = 10  # cyclomatic complexity above which a function counts as complex, as in ruff's C901


@dataclass
class Structure:
    """Measurements of a set of Python files.

    Densities are per 1,000 code lines: lines that are neither blank, nor comments, nor docstrings.
    """

    files: int
    lines: int
    code_lines: int
    most_files_in_a_folder: int
    characters_per_code_line: float
    comprehensions: float
    conditional_expressions: float
    tuple_assignments: float
    own_line_comments: float
    functions: int
    median_function_lines: float
    longest_function_lines: int
    short_functions_percent: float
    complex_functions: int
    private_functions: int
    private_functions_called_once_percent: float
    files_with_one_importer: int


def measure(root: Path, files: list[Path]) -> Structure:
    """Measure ``files``, which are relative to ``root``."""
    sources = {path: (root / path).read_text() for path in files}
    trees = {path: ast.parse(source) for path, source in sources.items()}
    code: list[str] = []
    comments = 0
    nodes: Counter[str] = Counter()
    for path, source in sources.items():
        docstrings = _docstring_lines(trees[path])
        for number, line in enumerate(source.splitlines(), 1):
            if line.lstrip().startswith("#"):
                comments += 1
            elif line.strip() and number not in docstrings:
                code.append(line)
        nodes.update(_kind(node) for node in ast.walk(trees[path]))
    functions = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    lengths = [_length(function) for function in functions]
    private, called_once = _private_functions(trees)
    per_thousand = 1000 / max(1, len(code))
    folders = Counter(path.parent for path in files if path.name != "__init__.py")
    return Structure(
        files=len(files),
        lines=sum(source.count("\n") for source in sources.values()),
        code_lines=len(code),
        most_files_in_a_folder=max(folders.values(), default=0),
        characters_per_code_line=round(statistics.mean(len(line.strip()) for line in code), 1),
        comprehensions=round(nodes["comprehension"] * per_thousand, 1),
        conditional_expressions=round(nodes["conditional"] * per_thousand, 1),
        tuple_assignments=round(nodes["tuple assignment"] * per_thousand, 1),
        own_line_comments=round(comments * per_thousand, 1),
        functions=len(functions),
        median_function_lines=statistics.median(lengths),
        longest_function_lines=max(lengths),
        short_functions_percent=round(100 * sum(_body_lines(node) <= 3 for node in functions) / len(functions), 1),
        complex_functions=sum(_complexity(function) > COMPLEX for function in functions),
        private_functions=private,
        private_functions_called_once_percent=round(100 * called_once / max(1, private), 1),
        files_with_one_importer=_files_with_one_importer(trees),
    )


def tracked(root: Path) -> list[Path]:
    """Return the Python files that git knows below ``root``, relative to it."""
    command = ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [Path(name) for name in names if (root / name).is_file()]


def by_package(files: list[Path]) -> dict[str, list[Path]]:
    """Group files by their first folder, the tests last; ``all packages`` has all but the tests."""
    groups: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        package = path.parts[0]
        if len(path.parts) == 1:
            package = "train.py"
        if package != TEST_FOLDER:
            groups["all packages"].append(path)
        groups[package].append(path)
    return dict(groups)


def _docstring_lines(tree: ast.Module) -> set[int]:
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


def _kind(node: ast.AST) -> str:
    if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        return "comprehension"
    if isinstance(node, ast.IfExp):
        return "conditional"
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
        return "tuple assignment"
    return "other"


def _length(function: ast.FunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _body_lines(function: ast.FunctionDef) -> int:
    body = function.body
    if ast.get_docstring(function) is not None:
        body = body[1:]
    if not body:
        return 0
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


def _complexity(function: ast.FunctionDef) -> int:
    count = 1
    for node in ast.walk(function):
        if isinstance(node, ast.If | ast.For | ast.While | ast.ExceptHandler | ast.IfExp | ast.comprehension):
            count += 1
        elif isinstance(node, ast.BoolOp):
            count += len(node.values) - 1
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


def compare(before: Structure, now: Structure, tests: tuple[int, int]) -> list[tuple[str, float, float]]:
    """Return each measurement of the packages with its value before and now, and the lines of the tests."""
    rows: list[tuple[str, float, float]] = []
    for field in fields(Structure):
        rows.append((field.name.replace("_", " "), getattr(before, field.name), getattr(now, field.name)))
    return [*rows, ("lines of tests", *tests)]


def write_comparison(root: Path, revision: str, path: Path) -> None:
    """Write measurements of a revision and of the checkout as a table."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "-C", str(root), "worktree", "add", "--detach", "-f", folder, revision], check=True)
        try:
            before = by_package(tracked(Path(folder)))
            old = measure(Path(folder), before["all packages"])
            old_tests = measure(Path(folder), before[TEST_FOLDER]).lines
        finally:
            subprocess.run(["git", "-C", str(root), "worktree", "remove", "--force", folder], check=True)
    groups = by_package(tracked(root))
    now = measure(root, groups["all packages"])
    tests = (old_tests, measure(root, groups[TEST_FOLDER]).lines)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["measurement", revision, "now"])
        writer.writerows(compare(old, now, tests))


def main() -> None:
    """Print the measurements of each package, or write those of a revision and of this checkout as a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("places", nargs="*", type=Path, help="files or folders below the root; none: each package")
    parser.add_argument("--root", type=Path, default=Path(), help="the checkout to measure")
    parser.add_argument("--before", help="a revision to compare with, in --csv")
    parser.add_argument("--csv", type=Path, help="the table of the comparison")
    options = parser.parse_args()
    if options.before and options.csv:
        write_comparison(options.root, options.before, options.csv)
        return
    files = tracked(options.root)
    groups = by_package(files)
    if options.places:
        groups = {
            str(place): [path for path in files if path == place or place in path.parents] for place in options.places
        }
    width = max(len(field.name) for field in fields(Structure))
    for name, paths in groups.items():
        print(name)
        for key, value in asdict(measure(options.root, paths)).items():
            print(f"  {key:<{width}} {value:>10}")


if __name__ == "__main__":
    main()
