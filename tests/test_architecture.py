"""The structure of the code base: the order of the layers, no cycles, small folders, thin command lines."""

import ast
import subprocess
from functools import cache
from pathlib import Path

import pytest

from common.paths import ROOT
from common.runs.files import RunFile

# A package imports only packages listed before it in its entry; `workflows` alone combines the three in the middle.
ALLOWED = {
    "common": set(),
    "datamodules": {"common"},
    "lightning_modules": {"common"},
    "evaluation": {"common"},
    "workflows": {"common", "datamodules", "lightning_modules", "evaluation"},
    "hydra_plugins": {"common", "workflows"},
    "scripts": {"common", "datamodules", "lightning_modules", "evaluation", "workflows"},
    "benchmarks": {"common", "datamodules", "lightning_modules", "evaluation", "workflows", "scripts"},
    "docs": {"common", "datamodules", "lightning_modules", "evaluation", "workflows", "benchmarks"},
}
OURS = {*ALLOWED, "tests", "train"}
PACKAGES = set(ALLOWED) - {"benchmarks", "docs"}
FILES_PER_FOLDER = 15
COMMAND_LINE_LINES = 80


@cache
def tracked(*patterns: str) -> list[Path]:
    """Files that git tracks or would track, relative to the root."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")
    return [Path(name) for name in names if name and (ROOT / name).exists()]


@cache
def imported_modules(path: Path) -> frozenset[str]:
    """Dotted names of what a file imports, anywhere in it; `from a import b` gives `a` and `a.b`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def module_name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_lower_layers(package):
    files = tracked(f"{package}/*.py")
    assert files
    for path in files:
        foreign = {name.split(".")[0] for name in imported_modules(path)} & OURS - {package} - ALLOWED[package]
        assert not foreign, f"{path} imports {foreign}"


def test_no_import_cycle():
    modules = {module_name(path): path for path in tracked("*.py") if path.parts[0] in ALLOWED}
    below = {}
    for name, path in modules.items():
        # Importing a.b.c runs a/__init__ and a/b/__init__ too, but those of one's own parents run already.
        below[name] = {
            other for other in imported_modules(path) & modules.keys() if not f"{name}.".startswith(f"{other}.")
        }
    finished: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join((*way[way.index(name) :], name))
        if name not in finished:
            for other in sorted(below[name]):
                visit(other, (*way, name))
            finished.add(name)

    for name in modules:
        visit(name, ())


def test_folders_stay_small():
    counts: dict[Path, int] = {}
    for path in tracked("*.py"):
        if path.name != "__init__.py":
            counts[path.parent] = counts.get(path.parent, 0) + 1
    crowded = {str(folder): count for folder, count in counts.items() if count > FILES_PER_FOLDER}
    assert not crowded


def test_command_lines_stay_thin():
    paths = [path for path in [Path("train.py"), *tracked("scripts/*.py")] if not path.name.startswith("_")]
    long = {str(path) for path in paths if len((ROOT / path).read_text().splitlines()) > COMMAND_LINE_LINES}
    assert not long


def test_evaluation_never_loads_a_model_library():
    for path in tracked("evaluation/*.py"):
        assert not {name.split(".")[0] for name in imported_modules(path)} & {"torch", "timm", "pytorch_lightning"}


def test_only_run_knows_the_names_of_its_files():
    names = {str(name) for name in RunFile if name != RunFile.LOCK}
    offenders = {str(path) for path in tracked("*.py") if path.parts[0] in PACKAGES and names & text_literals(path)}
    assert offenders == {"common/runs/files.py"}


@cache
def text_literals(path: Path) -> frozenset[str]:
    """Words of the strings in a file, without its docstrings."""
    tree = ast.parse((ROOT / path).read_text())
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, documented)}
    literals = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return frozenset(literals - docstrings)
