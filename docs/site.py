"""Gathers the handbook in one folder, which any builder of sites from Markdown reads: ``make docs`` runs it first.

It has the pages of docs/ and, at ``repository/<path>``, the files of the repository that they link to, such as pictures
of results/; Markdown files among these are pages whose own links are followed as well. On a code host the links of a
page are paths of the repository; here they are paths within the site.
"""

import posixpath
import re
import shutil
from pathlib import Path

from karyocyte.common.paths import ROOT

FOLDER = ROOT / "build" / "handbook"
LINK = re.compile(r"(\]\()([^)\s#:]+)((?:#[^)\s]*)?\))")
FILE = re.compile(r"^```(\w+) file=(\S+)$", re.MULTILINE)
OUTSIDE = "repository"
HOME = {"README.md": "index.md"}  # the front page of the repository and that of the site
SUFFIXES = {".md", ".css", ".js", ".png", ".svg"}  # of docs/


def gather(folder: Path) -> None:
    """Write the site's sources into a folder, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    docs = (path for path in (ROOT / "docs").rglob("*") if path.suffix in SUFFIXES)
    waiting = [path.relative_to(ROOT / "docs").as_posix() for path in docs]
    written = set()
    while waiting:
        page = waiting.pop()
        source = ROOT / repository_path(page)
        if page in written or not source.is_file():  # the builder names dead links
            continue
        written.add(page)
        target = folder / page
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix != ".md":
            shutil.copyfile(source, target)
            continue
        text = source.read_text(encoding="utf-8")
        target.write_text(within_site(page, text), encoding="utf-8")
        for _, link, _ in LINK.findall(text):
            waiting.append(site_path(page, link))


def within_site(page: str, text: str) -> str:
    """Write links to files of the repository as links within the site, and the file of a block of code as its title."""

    def relative(match: re.Match[str]) -> str:
        """Return a link relative to this page."""
        target = site_path(page, match[2])
        return match[1] + posixpath.relpath(target, posixpath.dirname(page) or ".") + match[3]

    return FILE.sub(r'```\1 title="\2"', LINK.sub(relative, text))


def repository_path(page: str) -> str:
    """Return the path in the repository of a page of the site."""
    if page.startswith(f"{OUTSIDE}/"):
        return page.removeprefix(f"{OUTSIDE}/")
    return f"docs/{page}"


def site_path(page: str, link: str) -> str:
    """Return the place in the site of the file that ``page`` links to as ``link``."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(repository_path(page)), link))
    if target in HOME:
        return HOME[target]
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    return f"{OUTSIDE}/{target}"


if __name__ == "__main__":
    gather(FOLDER)
