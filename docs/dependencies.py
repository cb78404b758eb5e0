"""The page of dependencies: the packages of constraints.txt as they are installed here, with their licences.

python -m docs.dependencies prints it; docs.site writes it for the handbook.
"""

from importlib.metadata import PackageNotFoundError, metadata

from karyocyte.common.errors import UserError
from karyocyte.common.paths import ROOT

CONSTRAINTS = ROOT / "constraints.txt"
LONGEST = 60  # letters of a licence's name; some packages write its whole text there
HEAD = """# Dependencies

The packages that `make setup` installs, those of development and tests among them, with
the licences that their metadata state. `make audit` asks for known vulnerabilities; it
needs the network.

| package | version | licence |
|---|---|---|
"""


def pinned() -> dict[str, str]:
    """Return the versions of constraints.txt by package."""
    lines = CONSTRAINTS.read_text(encoding="utf-8").split()
    return dict(line.split("==") for line in lines)


def licence(package: str) -> str:
    """Return what an installed package states as its licence: by its expression, its name or its classifiers.

    Raises:
        UserError: The package is not installed.
    """
    try:
        facts = metadata(package)
    except PackageNotFoundError as error:
        raise UserError(f"{package} is not installed: make setup") from error
    for field in ("License-Expression", "License"):
        if field in facts and len(facts[field]) <= LONGEST and "\n" not in facts[field]:
            return facts[field]
    classifiers = [text.split(" :: ")[-1] for text in facts.get_all("Classifier") or [] if text.startswith("License")]
    return ", ".join(classifiers) or "not stated"


def page() -> str:
    """Return the page."""
    rows = [f"| {package} | {version} | {licence(package)} |" for package, version in pinned().items()]
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(page(), end="")
