"""Tables of the imports between packages, or between the folders of a package, for the page on architecture."""

from functools import partial
from pathlib import Path

from benchmarks.structure import CodeBase


def imports(name: str, results: Path) -> str:
    """Return a table of imports: between all ``packages``, or between the folders of one package."""
    code = CodeBase()
    nodes: dict[str, str] = {}
    for name_of, module in code.modules.items():
        package, *folders = module.path.parts[:-1] or module.path.parts
        if name == "packages" and package != "tests":
            nodes[name_of] = package
        elif name == package:
            nodes[name_of] = "/".join(folders) or package
    targets: dict[str, set[str]] = {node: set() for node in nodes.values()}
    for name_of, node in nodes.items():
        targets[node] |= {nodes[imported] for imported in code.imports[name_of] & nodes.keys()} - {node}
    lines = ["| importing | imported |", "|:----------|:---------|"]
    for node in sorted(targets):
        names = ", ".join(f"`{target}`" for target in sorted(targets[node]))
        lines.append(f"| `{node}` | {names or '-'} |")
    return "\n".join(lines)


BLOCKS = {f"imports_{name}": partial(imports, name) for name in ("packages",)}
