"""The rules of the layout: layers, features that know nothing of each other, no circles, small files and folders."""

import ast
import subprocess
import sys
from collections import Counter

import pytest

from karyocyte.common.paths import ROOT
from karyocyte.runs.files import RunFile
from tests.structure.structure import CodeBase, Module

CODE = CodeBase()
BASE = ("common", "config", "runs", "composition")
CORE = (*BASE, "datamodules", "evaluation", "inference", "lightning_modules")
# What each package imports of the others; the core knows no feature: these are in workflows/, a folder or file each.
ALLOWED = {
    "common": set(),
    "config": {"common"},
    "runs": {"common", "config"},
    "composition": {"common", "config", "runs"},
    "datamodules": set(BASE),
    "lightning_modules": set(BASE),
    "evaluation": set(BASE),
    "inference": {*BASE, "datamodules", "evaluation", "lightning_modules"},
    "recipes": {*BASE, "datamodules", "inference", "lightning_modules"},
    "workflows": {*CORE, "recipes"},
    "hydra_plugins": {*BASE, "workflows"},
    "commands": {*CORE, "recipes", "workflows"},
    "loaded": {*CORE, "workflows"},
    "reproduction": {*CORE, "workflows", "commands"},
    "docs": {*CORE, "workflows", "commands", "cytogenetics", "reproduction"},
    "cytogenetics": {*CORE, "recipes", "workflows", "commands", "loaded"},
}
PACKAGES = ("datamodules", "hydra_plugins", "karyocyte", "lightning_modules", "packages/reproduction/reproduction")
# A feature imports another one only here: a search trains its runs.
FEATURES_THAT_MAY_IMPORT = {("sweeps", "training")}
MODEL_LIBRARIES = ("torch", "timm", "pytorch_lightning")
FILES_PER_FOLDER = 16
COMMANDS = {"scripts", "karyocyte/commands", "tests/karyocyte/commands"}  # one file per command, however many
COMMAND_LINE_LINES = 80


def package_of(name: str) -> str:
    return name.removeprefix("karyocyte.").partition(".")[0]


def feature_of(name: str) -> str | None:
    """The folder or file of workflows/ that a module is in, or is; None of other modules."""
    inside = name.removeprefix("karyocyte.workflows.")
    return inside.partition(".")[0] if inside != name else None


def imported(module: Module) -> set[str]:
    """The modules, of ours and of libraries, that a file names in its import statements."""
    names: set[str] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_lower_layers_also_by_strings(package):
    modules = [module for module in CODE.modules.values() if package_of(module.name) == package]
    assert modules
    for module in modules:
        wrong = {package_of(other) for other in CODE.imports[module.name]} - {package, *ALLOWED[package]}
        assert not wrong, f"{module.path} imports {wrong}"


def test_features_do_not_import_one_another_but_by_rule():
    found = set()
    for name in CODE.modules:
        if feature := feature_of(name):
            found |= {(feature, other) for other in map(feature_of, CODE.imports[name]) if other not in (feature, None)}
    assert found == FEATURES_THAT_MAY_IMPORT


def test_one_module_alone_calls_the_library_of_transforms():
    callers = [module.name for module in CODE.modules.values() if "albumentations" in imported(module)]
    assert callers == ["datamodules.transforms.operations"], "functions that return a transform belong there"


def test_what_is_imported_of_ours_exists():
    folders = {str(module.path.parent).replace("/", ".") for module in CODE.modules.values()}
    for module in CODE.modules.values():
        ours = {name for name in imported(module) if package_of(name) in {*ALLOWED, "tests"}}
        assert ours <= CODE.modules.keys() | folders, module.path


def test_neither_modules_nor_folders_import_each_other_in_a_circle():
    assert (CODE.circles(), CODE.folder_circles()) == (set(), set())


def test_a_configuration_is_composed_without_its_data_module():
    program = "import sys; from karyocyte.composition.compose import compose_config; compose_config([])"
    program += "; print({'datamodules', 'lightning_modules', 'torch'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_folders_stay_small():
    files = [module.path for module in CODE.modules.values() if module.path.name != "__init__.py"]
    counts = Counter(str(path.parent) for path in files)
    large = {folder for folder, count in counts.items() if count > FILES_PER_FOLDER}
    assert large <= COMMANDS, "make a folder in it for files that belong together"


@pytest.mark.parametrize("module", CODE.below("karyocyte/commands"), ids=lambda module: module.name)
def test_a_command_line_stays_thin(module):
    assert module.lines <= COMMAND_LINE_LINES or module.path.name.startswith("_")


@pytest.mark.parametrize("module", CODE.below("karyocyte/evaluation"), ids=lambda module: module.name)
def test_evaluation_never_loads_a_model_library(module):
    assert not {package_of(name) for name in imported(module)} & set(MODEL_LIBRARIES)


def test_only_run_knows_the_names_of_its_files():
    names = {str(name) for name in RunFile if name != RunFile.LOCK}
    offenders = {str(module.path) for module in CODE.below(*PACKAGES) if names & texts(module)}
    assert offenders == {"karyocyte/runs/files.py"}


def texts(module: Module) -> set[str]:
    """The strings in a module, without its docstrings."""
    nodes = list(ast.walk(module.tree))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {ast.get_docstring(node, clean=False) for node in nodes if isinstance(node, documented)}
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)} - docstrings
