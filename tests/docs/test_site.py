"""The sources of the site stand alone: every link of a page leads to a file among them."""

from docs.site import LINK, gather


def test_every_link_of_the_gathered_pages_leads_to_a_file_among_them(tmp_path):
    gather(tmp_path / "site")
    pages = list((tmp_path / "site").rglob("*.md"))
    assert {"index.md", "README.md"} <= {page.name for page in pages}
    dead = []
    for page in pages:
        for _, link, _ in LINK.findall(page.read_text(encoding="utf-8")):
            if "." in link and not (page.parent / link).is_file():
                dead.append(f"{page}: {link}")
    assert not dead
