"""The rules of the layout: layers, features that know nothing of each other, no circles, small files and folders."""

import ast
from pathlib import Path

import pytest

from benchmarks.structure import CodeBase
from common.paths import ROOT
from common.runs.files import RunFile

CODE = CodeBase()
CORE = ("common", "datamodules", "evaluation", "lightning_modules")
# What each package imports of the others; the core knows no feature, whose folders are in workflows/.
ALLOWED = {
    "common": set(),
    "datamodules": {"common"},
    "lightning_modules": {"common"},
    "evaluation": {"common"},
    "workflows": set(CORE),
    "hydra_plugins": {"common", "workflows"},
    "scripts": {*CORE, "workflows"},
    "benchmarks": {*CORE, "workflows"},
    "docs": {*CORE, "workflows", "scripts", "benchmarks"},
}
PACKAGES = set(ALLOWED) - {"benchmarks", "docs"}
# Features that import others: to become none. What several need belongs to the core.
NOT_YET_APART = {
    ("papers", "sweeps"),
    ("sweeps", "tuning"),
}
IN_CIRCLES = {"workflows.models", "workflows.networks"}  # to become empty
FILES_PER_FOLDER = 15
COMMANDS = {"scripts", "tests/scripts"}  # one file per command, however many
CROWDED = {"lightning_modules", "tests/lightning_modules"}  # to become empty
COMMAND_LINE_LINES = 80  # to become 60
CLOSURE_LINES = 24_500  # to become 15,000


def package_of(module: str) -> str:
    return module.partition(".")[0]


def feature_of(module: str) -> str | None:
    """The folder of workflows/ that a module is in; None of one that is directly there, which combines features."""
    parts = CODE.files[module].parts
    return parts[1] if parts[0] == "workflows" and len(parts) > 2 else None


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_lower_layers_also_by_strings(package):
    modules = [name for name in CODE.files if package_of(name) == package]
    assert modules
    for name in modules:
        foreign = {other for other in CODE.imports[name] if package_of(other) not in {package, *ALLOWED[package]}}
        assert not foreign, f"{CODE.files[name]} imports {foreign}"


def test_features_do_not_import_one_another():
    found = set()
    for name in CODE.files:
        if feature := feature_of(name):
            found |= {(feature, other) for other in map(feature_of, CODE.imports[name]) if other not in (feature, None)}
    assert found <= NOT_YET_APART


def test_what_is_imported_of_ours_exists():
    folders = {str(path.parent).replace("/", ".") for path in CODE.files.values()}
    for name, tree in CODE.trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and package_of(node.module) in {*ALLOWED, "tests"}:
                assert node.module in CODE.files.keys() | folders, f"{CODE.files[name]}: {node.module} is missing"


def test_there_is_no_circle_of_imports():
    assert CODE.circles() <= IN_CIRCLES


def test_the_training_imports_little():
    assert CODE.lines(CODE.closure()) <= CLOSURE_LINES


def test_folders_stay_small():
    counts: dict[Path, int] = {}
    for path in CODE.files.values():
        if path.name != "__init__.py":
            counts[path.parent] = counts.get(path.parent, 0) + 1
    assert {str(folder) for folder, count in counts.items() if count > FILES_PER_FOLDER} <= COMMANDS | CROWDED


def test_command_lines_stay_thin():
    scripts = [name for name in CODE.files if package_of(name) in ("train", "scripts") and "._" not in name]
    assert not {name: CODE.lines([name]) for name in scripts if CODE.lines([name]) > COMMAND_LINE_LINES}


def test_evaluation_never_loads_a_model_library():
    for name in CODE.files:
        if package_of(name) == "evaluation":
            imported = {part for node in ast.walk(CODE.trees[name]) for part in imported_names(node)}
            assert not imported & {"torch", "timm", "pytorch_lightning"}, name


def imported_names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [package_of(alias.name) for alias in node.names]
    return [package_of(node.module)] if isinstance(node, ast.ImportFrom) and node.module else []


def test_only_run_knows_the_names_of_its_files():
    names = {str(name) for name in RunFile if name != RunFile.LOCK}
    offenders = {str(CODE.files[name]) for name in CODE.files if package_of(name) in PACKAGES and names & texts(name)}
    assert offenders == {"common/runs/files.py"}


def texts(module: str) -> set[str]:
    """The strings in a module, without its docstrings."""
    nodes = list(ast.walk(CODE.trees[module]))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {ast.get_docstring(node, clean=False) for node in nodes if isinstance(node, documented)}
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)} - docstrings


def test_the_files_are_those_of_this_checkout():
    assert {"train", "common.paths"} <= CODE.files.keys()
    assert CODE.root == ROOT
