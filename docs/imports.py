"""Tables of the imports between packages, or between the folders of a package, for the page on architecture."""

import ast
import subprocess
from functools import partial
from pathlib import Path

from common.paths import ROOT


def imported_modules(path: Path) -> set[str]:
    """Return the dotted names that a file imports, anywhere in it; ``from a import b`` gives ``a`` and ``a.b``."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
    return names


def imports(name: str, results: Path) -> str:
    """Return a table of imports: between all ``packages``, or between the folders of one package."""
    nodes: dict[str, str] = {}
    paths: dict[str, Path] = {}
    for path in listed_modules():
        package, *folders = path.parts[:-1] or path.parts
        if package == "tests" or name not in ("packages", package):
            continue
        module = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        paths[module] = ROOT / path
        nodes[module] = package if name == "packages" else "/".join(folders) or package
    targets: dict[str, set[str]] = {node: set() for node in nodes.values()}
    for module, path in paths.items():
        targets[nodes[module]] |= {nodes[imported] for imported in imported_modules(path) & nodes.keys()}
    lines = ["| importing | imported |", "|:----------|:---------|"]
    for node in sorted(targets):
        names = ", ".join(f"`{target}`" for target in sorted(targets[node] - {node}))
        lines.append(f"| `{node}` | {names or '-'} |")
    return "\n".join(lines)


def listed_modules() -> list[Path]:
    """Return the Python files of the repository that git does not ignore, relative to its root."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [Path(path) for path in listed if (ROOT / path).is_file()]


BLOCKS = {f"imports_{name}": partial(imports, name) for name in ("packages", "evaluation")}
