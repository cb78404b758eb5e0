"""Small pictures of images, by image_id: what a run leaves for pages and contact sheets, and never for training."""

from collections.abc import Iterable
from io import BytesIO
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from karyocyte.common.errors import UserError
from karyocyte.common.files import atomic_path

QUALITY = 80  # a cell of 160 px takes about 3 kB
BATCH = 256


def write_pictures(path: Path, image_ids: Iterable[str], images: Iterable[np.ndarray | bytes], size: int) -> None:
    """Write pictures into one parquet file, such as ``<run>/thumbnails.parquet``, whole or not at all.

    ``images`` are uint8 RGB, shape (H, W, 3), taken one by one, or bytes of ``encode``; one per image_id. ``size`` is
    the longest side of a picture in pixels; smaller images are left as they are.
    """
    schema = pa.schema([("image_id", pa.string()), ("picture", pa.binary())])
    remaining = zip(image_ids, images, strict=True)
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema, compression="none") as writer:
        while batch := list(islice(remaining, BATCH)):
            names, pictures = zip(*batch, strict=True)
            writer.write_table(pa.table([names, [encode(picture, size) for picture in pictures]], schema=schema))


def encode(image: np.ndarray | bytes, size: int) -> bytes:
    """Shrink a uint8 RGB image (H, W, 3) to at most ``size`` pixels and return it as WebP; bytes stay."""
    if isinstance(image, bytes):
        return image
    picture = Image.fromarray(np.ascontiguousarray(image))
    picture.thumbnail((size, size), Image.Resampling.LANCZOS)
    file = BytesIO()
    picture.save(file, "WEBP", quality=QUALITY)
    return file.getvalue()


def read_pictures(path: Path) -> dict[str, bytes]:
    """Return the WebP bytes of each image_id; a ``UserError``: the file is missing or is none of pictures."""
    if not Path(path).is_file():
        raise UserError(f"no pictures at {path}: a training writes them, with evaluation.thumbnails above 0")
    try:
        table = pq.read_table(path, columns=["image_id", "picture"])
        return dict(zip(table["image_id"].to_pylist(), table["picture"].to_pylist(), strict=True))
    except Exception as error:  # damaged metadata and texts raise errors of many kinds
        raise UserError(f"{path} is no file of pictures: {str(error).partition(chr(10))[0]}") from error
