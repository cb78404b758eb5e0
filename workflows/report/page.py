"""The page of scripts/report.py: of runs, or of new images with the files that their table names."""

from pathlib import Path

from common.thumbnails import encode
from datamodules.io.decode import BrokenImageError, read_image
from evaluation.predicted_table import read_predicted
from evaluation.report.gallery import Gallery
from evaluation.report.new_images import write_new_images_page
from evaluation.report.page import Options, write_report
from workflows.report.request import ReportRequest

SIDE = 320  # pixels of the longer side of a picture


def write_page(request: ReportRequest) -> Gallery:
    """Write the page and return its images; no model is loaded.

    Raises:
        UserError: See ``write_report`` and ``read_predicted``.
    """
    options = Options(request.images, request.megabytes, request.real_names)
    if request.table is None:
        return write_report(list(request.runs), request.page, options, request.key)
    predicted = read_predicted(request.table)
    return write_new_images_page(request.page, predicted, options, _read_picture, request.key)


def _read_picture(path: Path) -> bytes | None:
    try:
        return encode(read_image(path), SIDE)
    except BrokenImageError:
        return None
