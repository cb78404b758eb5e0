"""What an editor and a type checker see of the packages: names that a program imports at their first use."""

import ast
from importlib import import_module
from pathlib import Path

import pytest


@pytest.mark.parametrize("package", ["datamodules", "lightning_modules"])
def test_every_public_name_is_imported_for_type_checkers(package):
    module = import_module(package)
    folder = Path(module.__file__).parent
    nodes = ast.parse((folder / "__init__.pyi").read_text()).body
    sources = {alias.asname: node.module for node in nodes for alias in node.names}
    assert set(sources) == set(module.__all__)
    for name, source in sources.items():
        assert getattr(module, name) is getattr(import_module(source), name)
    assert (folder / "py.typed").is_file()
