"""The machine's own Chromium, driven by playwright; none is downloaded."""

import shutil

NAMES = ("chromium", "google-chrome", "chromium-browser", "google-chrome-stable")
# The sandbox needs rights that containers lack, and a test has no use for the browser's own errands.
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
    """Return the path of Chromium or Chrome, None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)
