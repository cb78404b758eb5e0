"""The machine's own Chromium or Chrome; none is downloaded."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

BROWSERS = ("chromium", "google-chrome", "chromium-browser", "google-chrome-stable")
# The sandbox needs rights that containers lack, and a test has no use for background requests of the browser.
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


def find_browser() -> str | None:
    """Return its path, None where there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@contextmanager
def recording_tab() -> Iterator[Any]:
    """Yield a page of the browser that records what it complains of and the addresses that it asks for."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find_browser(), args=list(ARGUMENTS))
        tab: Any = browser.new_page(viewport={"width": 820, "height": 900})
        tab.complaints = []
        tab.requests = []
        tab.on("console", lambda message: tab.complaints.append(message.text))
        tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
        tab.on("request", lambda request: tab.requests.append(request.url))
        yield tab
        browser.close()
