"""The machine's own Chromium or Chrome; none is downloaded."""

import shutil

BROWSERS = ("chromium", "google-chrome", "chromium-browser", "google-chrome-stable")
# The sandbox needs rights that containers lack, and a test has no use for background requests of the browser.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_browser() -> str | None:
    """Return its path, None where there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)
