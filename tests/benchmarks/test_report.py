"""The page is measured in a real browser, on drawn cells."""

import pytest

from benchmarks.report import find_browser, measure

pytest.importorskip("playwright.sync_api", reason="playwright is not installed: uv sync --group dev")


@pytest.mark.skipif(find_browser() is None, reason="no Chromium or Chrome on this machine")
def test_the_page_is_opened_and_its_times_are_taken(tmp_path):
    row = measure(tmp_path, images=30, rounds=2)
    assert (row["images"], row["pictures"]) == (30, 60)
    assert row["megabytes"] == pytest.approx((tmp_path / "report.html").stat().st_size / 1e6)
    assert 0 < row["load_ms"] < row["painted_ms"]
    assert 0 < row["thread_ms"] <= row["thread_worst_ms"]
    assert row["load_ms"] <= row["load_worst_ms"]
