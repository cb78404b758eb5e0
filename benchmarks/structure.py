"""The structure of the code base: sizes, density, what train.py imports, circles, keys, dependencies.

``python -m benchmarks.structure --before REVISION --csv FILE`` prints and writes them, those of an older revision
beside those of this checkout.
"""

import ast
import os
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from benchmarks.shared import checkout, show
from common.cli import TYPER, examples, report_user_errors
from common.paths import ROOT

Before = Annotated[str | None, typer.Option(help="A revision to compare with.")]
Csv = Annotated[Path | None, typer.Option(help="Write the comparison to this file.")]
app = typer.Typer(**TYPER)

COMPREHENSION = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
OUTSIDE = ("tests", "docs")  # no part of package and benchmarks
PROGRAM = "train"
SETTINGS = "Config"  # the schema of conf/train.yaml
SOURCE_SETTINGS = "SourceConfig"  # each data source has a subclass, which the schema names nowhere


@dataclass(frozen=True)
class CodeBase:
    """The Python modules that git tracks, or would track, below ``root``."""

    root: Path = ROOT

    def tracked(self, *patterns: str) -> list[Path]:
        """Return files, relative to the root."""
        command = ["git", "-C", str(self.root), "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
        names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        return [Path(name) for name in names if (self.root / name).is_file()]

    @cached_property
    def files(self) -> dict[str, Path]:
        """The files by the dotted names of their modules."""
        return {".".join(path.with_suffix("").parts).removesuffix(".__init__"): path for path in self.tracked("*.py")}

    @cached_property
    def texts(self) -> dict[str, str]:
        """The sources by module."""
        return {name: (self.root / path).read_text(encoding="utf-8") for name, path in self.files.items()}

    @cached_property
    def trees(self) -> dict[str, ast.Module]:
        """The syntax trees by module."""
        return {name: ast.parse(text) for name, text in self.texts.items()}

    @cached_property
    def imports(self) -> dict[str, set[str]]:
        """What each module imports of the others, anywhere in it: also by a string that names a module of ours."""
        return {name: (_named(tree) & self.files.keys()) - {name} for name, tree in self.trees.items()}

    def lines(self, modules: Iterable[str]) -> int:
        """Count the lines of modules."""
        return sum(self.texts[name].count("\n") for name in modules)

    def closure(self, start: str = PROGRAM) -> set[str]:
        """Return a module and all that it imports, directly or not."""
        found: set[str] = set()
        waiting = {start}
        while waiting:
            name = waiting.pop()
            found.add(name)
            waiting |= self.imports[name] - found
        return found

    def circles(self) -> set[str]:
        """Return the modules that import each other in circles, and those between two circles."""
        imports = {}
        for name, imported in self.imports.items():
            # Importing a.b.c runs a/__init__ and a/b/__init__ too, but those of one's own parents run already.
            imports[name] = {other for other in imported if not f"{name}.".startswith(f"{other}.")}
        left = {name for name in imports if not name.startswith("tests")}
        while True:
            imported = {other for name in left for other in imports[name]}
            inner = {name for name in left & imported if imports[name] & left}
            if inner == left:
                return left
            left = inner


def _named(tree: ast.Module) -> set[str]:
    """Return the dotted names that a module imports, or holds as a string; ``from a import b`` names ``a.b``, too."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
            names |= {each for each in (text, text.rpartition(".")[0]) if "." in each}  # the latter is of a class
    return names


def density(code: CodeBase, modules: list[str]) -> dict[str, float]:
    """Count comprehensions and conditional expressions per 1,000 lines that are no comment, docstring or blank."""
    lines = 0
    for name in modules:
        documented: set[int] = set()
        for node in ast.walk(code.trees[name]):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                documented.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        for number, line in enumerate(code.texts[name].splitlines(), 1):
            lines += bool(line.strip()) and not line.lstrip().startswith("#") and number not in documented
    nodes = [node for name in modules for node in ast.walk(code.trees[name])]
    comprehensions = sum(isinstance(node, COMPREHENSION) for node in nodes)
    conditional = sum(isinstance(node, ast.IfExp) for node in nodes)
    return {
        "comprehensions per 1,000 code lines": round(1000 * comprehensions / lines, 1),
        "conditional expressions per 1,000 code lines": round(1000 * conditional / lines, 1),
    }


def count_keys(code: CodeBase) -> dict[str, int]:
    """Count the fields of the configuration: those of conf/train.yaml with all data sources, and of other schemas.

    A field is an annotated name in a subclass of ``StrictModel``; a section counts once, beside the keys in it.
    """
    classes: dict[str, ast.ClassDef] = {}
    for name, tree in code.trees.items():
        if not name.startswith(OUTSIDE):
            classes |= {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    bases = {name: {each for base in node.bases for each in _words(base)} for name, node in classes.items()}

    def descends(name: str, ancestor: str) -> bool:
        return name == ancestor or any(descends(base, ancestor) for base in bases.get(name, ()) if base in bases)

    models = {name: node for name, node in classes.items() if descends(name, "StrictModel")}
    fields: dict[str, list[ast.AnnAssign]] = {}
    for name, node in models.items():
        annotated = [each for each in node.body if isinstance(each, ast.AnnAssign)]
        fields[name] = [each for each in annotated if "ClassVar" not in _words(each.annotation)]
    waiting = {name for name in models if name == SETTINGS or descends(name, SOURCE_SETTINGS)}
    reached: set[str] = set()
    while waiting:
        name = waiting.pop()
        reached.add(name)
        words = {word for field in fields[name] for word in _words(field.annotation)} | bases[name]
        waiting |= words & models.keys() - reached
    counts = Counter(name in reached for name, of_model in fields.items() for _ in of_model)
    return {"keys of conf/train.yaml": counts[True], "keys of other schemas": counts[False]}


def _words(node: ast.AST) -> set[str]:
    """Return the names in an expression, those in quotes too."""
    names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    return names | {str(each.value) for each in ast.walk(node) if isinstance(each, ast.Constant)}


def measure(code: CodeBase) -> dict[str, float]:
    """Measure the whole tree."""
    measured: dict[str, float] = {}
    inside = [name for name, path in code.files.items() if path.parts[0] not in OUTSIDE]
    tests = [name for name, path in code.files.items() if path.parts[0] == "tests"]
    pages = [path for path in code.tracked("*.md") if path.parts[0] != "results" and "reference" not in path.parts]
    closure = code.closure()
    measured |= {"files of package and benchmarks": len(inside), "lines of package and benchmarks": code.lines(inside)}
    measured["lines of tests"] = code.lines(tests)
    measured["words of documentation"] = sum(len((code.root / path).read_text().split()) for path in pages)
    measured |= {"files that train.py imports": len(closure), "lines that train.py imports": code.lines(closure)}
    measured |= count_keys(code)
    measured["files in import circles"] = len(code.circles())
    measured |= density(code, inside)
    project = tomllib.loads((code.root / "pyproject.toml").read_text())["project"]
    measured["direct dependencies"] = len(project["dependencies"])
    count = [sys.executable, str(ROOT / "benchmarks" / "stops.py")]
    environment = {**os.environ, "PYTHONPATH": str(code.root)}
    done = subprocess.run(count, env=environment, cwd=code.root, capture_output=True, text=True, check=True)
    stops, files = done.stdout.split()
    measured |= {"stops of predictions in an evaluation": int(stops), "files of these stops": int(files)}
    return measured


@app.command(epilog=examples("python -m benchmarks.structure --before 1ac0f92 --csv results/structure.csv"))
@report_user_errors()
def structure(before: Before = None, csv: Csv = None) -> None:
    """Measure the structure of the code base, and of an older revision."""
    columns = {}
    if before:
        with checkout(before) as folder:
            columns[before] = measure(CodeBase(folder))
    columns["now"] = measure(CodeBase())
    table = pd.DataFrame(columns).map("{:.10g}".format).rename_axis("measurement").reset_index()
    show(table, "structure", table.columns)
    if csv:
        table.to_csv(csv, index=False)


if __name__ == "__main__":
    app()
