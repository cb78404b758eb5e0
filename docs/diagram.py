"""The dependency diagrams of the page on architecture, from the imports of the code: ``python -m docs.diagram``."""

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "explanation" / "architecture.md"
BLOCK = re.compile(r"(<!-- diagram: (\w+) -->\n).*?(<!-- /diagram -->)", re.DOTALL)


def imported_modules(path: Path) -> set[str]:
    """Return the dotted names that a file imports, anywhere in it; ``from a import b`` gives ``a`` and ``a.b``."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
    return names


def diagram(name: str) -> str:
    """Return a Mermaid diagram of imports: between all ``packages``, or between the folders of one package."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    nodes: dict[str, str] = {}
    paths: dict[str, Path] = {}
    for path in map(Path, listed):
        package, *folders = path.parts[:-1] or path.parts
        if package == "tests" or name not in ("packages", package) or not (ROOT / path).is_file():
            continue
        module = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        paths[module] = ROOT / path
        nodes[module] = package if name == "packages" else "/".join(folders) or package
    edges: set[tuple[str, str]] = set()
    for module, path in paths.items():
        edges.update((nodes[module], nodes[imported]) for imported in imported_modules(path) & nodes.keys())
    lines = ["```mermaid", "flowchart TD"]
    for source, target in sorted(edges):
        if source != target:
            lines.append(
                "    {}[{}] --> {}[{}]".format(re.sub(r"\W", "_", source), source, re.sub(r"\W", "_", target), target)
            )
    return "\n".join([*lines, "```"])


def main() -> None:
    """Write the diagrams into the page; with ``--check`` fail where they are out of date."""
    text = PAGE.read_text(encoding="utf-8")
    filled = BLOCK.sub(lambda block: f"{block[1]}{diagram(block[2])}\n{block[3]}", text)
    if "--check" in sys.argv[1:]:
        sys.exit(filled != text)
    PAGE.write_text(filled, encoding="utf-8")


if __name__ == "__main__":
    main()
