"""Hooks of MkDocs: brings what pages link to outside of docs/, such as pictures of results/, into the site.

On a code host the links of a page are paths of the repository. In the site such a file is at ``repository/<path>``;
Markdown files among them are pages whose own links are followed as well.
"""

import posixpath
import re
from collections.abc import Iterator

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from common.paths import ROOT

LINK = re.compile(r"(\]\()([^)\s#:]+)((?:#[^)\s]*)?\))")
FILE = re.compile(r"^```(\w+) file=(\S+)$", re.MULTILINE)
OUTSIDE = "repository"
HOME = {"README.md": "index.md"}  # the front page of the repository and that of the site


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files of the repository that the pages link to."""
    waiting = [file.src_uri for file in files.documentation_pages()]
    while waiting:
        for target in linked_files(waiting.pop()):
            if target in files.src_uris or not target.startswith(f"{OUTSIDE}/"):
                continue
            path = ROOT / target.removeprefix(f"{OUTSIDE}/")
            if path.is_file():  # else MkDocs names the dead link
                files.append(File.generated(config, target, abs_src_path=str(path)))
                if path.suffix == ".md":
                    waiting.append(target)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Write links to files of the repository as links within the site, and the file of a block of code as its title."""
    here = page.file.src_uri

    def within_site(match: re.Match[str]) -> str:
        """Return a link relative to this page."""
        target = site_path(here, match[2])
        return match[1] + posixpath.relpath(target, posixpath.dirname(here) or ".") + match[3]

    return FILE.sub(r'```\1 title="\2"', LINK.sub(within_site, markdown))


def linked_files(page: str) -> Iterator[str]:
    """Yield the places in the site of all files that a page links to."""
    text = (ROOT / repository_path(page)).read_text(encoding="utf-8")
    for _, link, _ in LINK.findall(text):
        yield site_path(page, link)


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
