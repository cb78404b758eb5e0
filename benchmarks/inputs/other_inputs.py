"""What becomes of pictures, folders, names, tables and settings as other people have them: three of each kind of fault.

``python -m benchmarks.inputs.other_inputs results/other_inputs.csv`` makes each input, reads it or trains on it, and
compares what is said with what has to be: the pixels of a reference, a count of images, a warning, or a refusal with
its cause. The inputs of folders, tables and settings are in other_inputs.yaml.
"""

import re
import shlex
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import pandas as pd
import typer
import yaml
from PIL import Image

from benchmarks.inputs.encoded import pil, retagged, tif
from datamodules.io.decode import BrokenImageError, decode_image
from datamodules.sources import scan_persons
from karyocyte.common.errors import UserError
from karyocyte.common.files import write_csv
from karyocyte.composition.compose import check_config, compose_overrides
from karyocyte.workflows.explain.layers import Model, check_names, layer_shapes
from karyocyte.workflows.training import train
from lightning_modules import create_classifier

RGB = np.random.default_rng(0).integers(40, 200, (9, 8, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
FOLDERS = "data=folder protocol=image data.positive_class=a"
SMALL = ("model=resnet18", "model.cut=layer1", "weights=random", "prepare.size=32", "loader.batch_size=8",
         "trainer.max_epochs=1", "evaluation.resamples=20", "unfreeze=whole", "split.near_duplicates=off")  # fmt: skip
TREE = [f"{kind}/{number}.png" for kind in "ab" for number in range(8)]
ATTENTION = {
    "swin_tiny_patch4_window7_224": "layers.3.blocks.1.attn.attn_drop",
    "vit_tiny_patch16_224": "blocks.11.attn.attn_drop",
    "mobilevit_s": "stages.2.1.transformer.0.attn.qkv",
}
Row = tuple[str, str, str, str]  # kind, input, what is said, and a regular expression of what has to be


def read(data: bytes, reference: np.ndarray = RGB) -> str:
    """Return whether a file is read as its reference, with notes, or why it is refused."""
    try:
        pixels, _, note = decode_image(data)
    except BrokenImageError as error:
        return f"refused: {error}"
    same = pixels.shape == reference.shape and np.abs(pixels.astype(int) - reference).max() <= 2
    return f"{'reference' if same else 'WRONG'} pixels; {note}"


def pictures() -> list[Row]:
    """Read pictures."""
    deep, clear, rgb = RGB.astype(np.uint16) * 257, np.zeros_like(RGB[..., 0]), Image.fromarray(RGB)
    cut_out, gray = Image.fromarray(np.dstack([RGB, clear])), np.dstack([np.asarray(rgb.convert("L"))] * 3)
    ten_bits = np.dstack([deep >> 6, np.full_like(deep[..., 0], 65535)])
    png, jpeg2000 = (cv2.imencode(suffix, deep >> 4)[1].tobytes() for suffix in (".png", ".jp2"))
    webp: dict[str, Any] = {"lossless": True, "save_all": True, "append_images": [rgb.rotate(90)]}
    stack, pyramid = (tif(*(image.copy() for image in images)) for images in
                      ((0 * RGB, RGB, RGB), (RGB[::4, ::4], RGB[::2, ::2], RGB)))  # fmt: skip
    return [
        ("01", "gray, alpha of zeros, PNG", read(pil(cut_out.convert("LA"), "PNG"), gray), "reference.*alpha"),
        ("01", "alpha of zeros, BMP", read(pil(cut_out, "BMP")), "reference"),
        ("01", "alpha of zeros, WebP", read(pil(cut_out, "WEBP", lossless=True, exact=True)), "reference.*alpha"),
        ("03", "12 of 16 bits, PNG", read(png), "refused: .*stretch"),
        ("03", "12 of 16 bits, JPEG 2000", read(jpeg2000), "refused: .*stretch"),
        ("03", "10 of 16 bits, alpha", read(tif(ten_bits, extrasamples=["unassalpha"])), "refused: .*stretch"),
        ("05", "black page before a stack", read(stack), "refused: .*one colour.*pages"),
        ("05", "small pages before the picture", read(pyramid), "reference.*largest"),
        ("05", "animated WebP", read(pil(rgb, "WEBP", **webp)), "reference.*frames"),
        ("12", "strip longer than the file", read(retagged(tif(RGB), StripByteCounts=10**7)), "reference"),
        ("12", "rows of a strip: 2**32 - 1", read(retagged(tif(RGB), RowsPerStrip=2**32 - 1)), "reference"),
        ("12", "strip of no bytes", read(retagged(tif(RGB), StripByteCounts=0)), "reference"),
    ]


def write_images(root: Path, paths: list[str]) -> None:
    """Write different images, as PNG whatever the suffix."""
    for number, path in enumerate(paths):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(pil(Image.fromarray(np.roll(RGB, number, axis=0) // 2 + number), "PNG"))


def said(root: Path, case: dict[str, Any]) -> str:
    """Return what is said of a case of other_inputs.yaml: images and notes, that a training ends, or a refusal."""
    folder = root / case.get("folder", "images")
    write_images(folder, case.get("images", TREE))
    for path, text in case.get("files", {}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text.encode(case.get("encoding", "utf-8")))
    settings = case.get("settings", "")
    words = shlex.split(f"{case.get('data', FOLDERS)} {settings}")
    if settings:
        keys = {word.partition("=")[0] for word in words}
        words += [word for word in SMALL if word.partition("=")[0] not in keys]
    words += [f"data_dir={folder}", *(f"{key}={root / key}" for key in ("cache_dir", "output_dir"))]
    try:
        config = check_config(compose_overrides(words))
        if settings:
            train.run(config)
            return "trained"
        manifest = scan_persons(config, progress=False)
    except UserError as error:
        return f"refused: {error}".replace(f"{root}/", "")
    return f"{len(manifest.frame)} images of {' and '.join(manifest.classes)}; {'; '.join(manifest.notes)}"


def layer_of(name: str, layer: str) -> str:
    """Return that a layer of a network gives heat maps of images of 64 px, or why it is refused."""
    network = create_classifier(name, 2, image_size=64, head=["gap"])
    modules = {place: module for place, module in network.backbone.named_modules() if place}
    model = Model(network.eval(), modules, (), getattr(network.backbone, "num_prefix_tokens", 0))
    try:
        check_names([layer], layer_shapes(model, RGB[:64, :64]))
    except UserError as error:
        return f"refused: {error}"
    return "taken"


def main(csv: Path) -> None:
    """Write the table, and print how many inputs are treated rightly."""
    rows = pictures()
    with TemporaryDirectory() as folder:
        for number, case in enumerate(yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())):
            rows.append((case["kind"], case["input"], said(Path(folder) / str(number), case), case["wanted"]))
    for name, layer in ATTENTION.items():
        rows.append(("20", f"heat map at the attention of {name}", layer_of(name, layer), "refused: .*close to it"))
    table = pd.DataFrame(rows, columns=["kind", "input", "happens", "wanted"]).sort_values("kind", kind="stable")
    table["right"] = [
        bool(re.search(wanted, happens)) for wanted, happens in zip(table["wanted"], table["happens"], strict=True)
    ]
    write_csv(csv, table)
    print(f"{len(table)} inputs, {table['right'].sum()} right")


if __name__ == "__main__":
    typer.run(main)
