"""The dependency diagram of docs/architecture.md, made from the imports of the code: ``python -m docs.diagram``."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BLOCK = re.compile(r"(<!-- diagram: (\w+) -->\n).*?(<!-- /diagram -->)", re.DOTALL)
PACKAGES = (
    "scripts",
    "benchmarks",
    "docs",
    "hydra_plugins",
    "workflows",
    "datamodules",
    "lightning_modules",
    "evaluation",
    "common",
)


@cache
def source_files() -> tuple[Path, ...]:
    """Return the Python files that git knows, without the tests, relative to the root."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return tuple(Path(name) for name in names if not name.startswith("tests/") and (ROOT / name).is_file())


@cache
def imported_modules(path: Path) -> frozenset[str]:
    """Return the dotted names that a file imports, anywhere in it; ``from a import b`` gives ``a`` and ``a.b``."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(names)


def packages_diagram() -> str:
    """Return a Mermaid diagram of the imports between the top-level packages."""
    edges: set[tuple[str, str]] = set()
    for path in source_files():
        targets = {name.split(".")[0] for name in imported_modules(path)}
        edges.update((path.parts[0], target) for target in targets if target in PACKAGES)
    return _mermaid(edges)


def subpackages_diagram(package: str) -> str:
    """Return a Mermaid diagram of the imports between the folders of a package."""
    files = [path for path in source_files() if path.parts[0] == package]
    folders = {path.parent for path in files}
    edges: set[tuple[str, str]] = set()
    for path in files:
        for name in imported_modules(path):
            target = _folder(name, folders)
            if target is not None:
                edges.add((_short(path.parent), _short(target)))
    return _mermaid(edges)


def fill(text: str) -> str:
    """Return the page with its diagrams made anew; ``packages``, or the name of a package."""
    return BLOCK.sub(lambda block: f"{block[1]}{_diagram(block[2])}\n{block[3]}", text)


def _diagram(name: str) -> str:
    if name == "packages":
        return packages_diagram()
    return subpackages_diagram(name)


def _mermaid(edges: set[tuple[str, str]]) -> str:
    lines = []
    for source, target in sorted(edges):
        if source != target:
            lines.append(f"    {_node(source)}[{source}] --> {_node(target)}[{target}]")
    return "\n".join(["```mermaid", "flowchart TD", *lines, "```"])


def _folder(module: str, folders: set[Path]) -> Path | None:
    """Return the folder of a module or package; None for a name that is neither, or of another package."""
    path = Path(*module.split("."))
    if path in folders:
        return path
    if (ROOT / path.with_suffix(".py")).is_file() and path.parent in folders:
        return path.parent
    return None


def _node(name: str) -> str:
    return re.sub(r"\W", "_", name)


def _short(folder: Path) -> str:
    """Return a folder's path below its package; the package itself keeps its name."""
    return "/".join(folder.parts[1:]) or folder.name


def main() -> None:
    """Write the diagrams into the page; with ``--check`` fail where they are out of date."""
    text = PAGE.read_text(encoding="utf-8")
    filled = fill(text)
    if "--check" in sys.argv[1:]:
        sys.exit(filled != text)
    PAGE.write_text(filled, encoding="utf-8")


if __name__ == "__main__":
    main()
