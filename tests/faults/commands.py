"""Commands on tiny inputs, each writing into a folder, called in this process."""

from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd
import torch
from typer import Typer

from cytogenetics.commands import karyotype
from cytogenetics.review.approved import publish
from cytogenetics.review.cell_bundle import write_picture
from cytogenetics.review.decisions import replay
from datamodules.export import export_images
from datamodules.image_datamodule import ImageDataModule
from datamodules.io.archives import unpack
from datamodules.io.written_images import write_once
from karyocyte.commands import ensemble, evaluate, predict
from karyocyte.common.files import write_bytes, write_csv, write_json, write_text
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.evaluation.pages.thumbnails import write_pictures
from karyocyte.runs.lifecycle import begin, locked, recorded
from karyocyte.runs.predictions import write_predictions
from karyocyte.runs.run import Run
from karyocyte.runs.sweeps import Sweep, job_of, write_record, write_sweep
from lightning_modules.training.trainer import WholeFiles
from packages.cytogenetics.tests.cells.cells import make_cell_run
from packages.cytogenetics.tests.review.bundles import decision, write_cells
from tests.helpers.chromosomes import NUMBERS, bar
from tests.helpers.images import cell_image, write_image
from tests.helpers.predictions import make_predictions, make_run
from tests.helpers.sources import list_images, source_config
from tests.helpers.terminal import run_app
from tests.helpers.training import small_config, write_untrained_run

NET = ["model=resnet18", "model.cut=layer1", "inference.batchnorm=trained"]
CANVAS = ["prepare.size=[64,24]", "prepare.canvas.area=150", "trainer.precision=32-true"]
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
TABLE = pd.DataFrame({"name": [f"image {number}" for number in range(200)], "value": np.arange(200.0)})
DRAWN = source_config("synthetic", images=4, subjects=2, size=32)


class Inputs:
    """What the commands read: written once, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = small_config(folder, *NET)
        for name, skill in (("good", 2.0), ("poor", 0.5)):
            run = make_run(images=24, subjects=8, skill=skill, about={"name": name})
            write_predictions(folder / name / "predictions.parquet", run)
        for number in range(3):
            write_image(folder / "new" / f"{number}.png", cell_image(number))
        with ZipFile(folder / "new.zip", "w") as archive:
            for file in sorted((folder / "new").iterdir()):
                archive.write(file, f"new/{file.name}")
        for number in NUMBERS:
            write_image(folder / "cells" / "case" / "cell" / f"{number}.png", bar(number))
        torch.manual_seed(0)
        write_untrained_run(folder / "network", self.config)
        Run(folder / "network").write_predictions(make_run(images=24, subjects=8))
        cells = small_config(folder, *NET, *CANVAS, experiment="chromosomes")
        write_untrained_run(folder / "karyotyper", cells, CHROMOSOMES)
        Run(folder / "karyotyper").write_predictions(make_cell_run(0, cells=2, skill=3.0))
        list_images(DRAWN, None, folder / "cache", False)
        self.review = write_cells(folder / "reviewed", cells=1)


def typed(app: Typer, words: str) -> Callable[[Inputs, Path], None]:
    """Return what calls a command line with these words: ``{of}`` is the folder of the inputs."""

    def call(inputs: Inputs, folder: Path) -> None:
        run_app(app, *(word.format(of=inputs.folder, out=folder / "out") for word in words.split()))

    return call


def prepare(inputs: Inputs, folder: Path) -> None:
    places = {"output_dir": str(folder / "out"), "cache_dir": str(folder / "out" / "cache")}
    data = ImageDataModule(inputs.config.model_copy(update=places), progress=False)
    data.setup()
    data.prepare_data()


def draw_images(inputs: Inputs, folder: Path) -> None:
    write_once(folder / "out", [f"{number}.png" for number in range(4)], lambda number: PIXELS + number, False)


def export_drawn(inputs: Inputs, folder: Path) -> None:
    export_images(list_images(DRAWN, None, inputs.folder / "cache", False), folder / "out")


def unzip(inputs: Inputs, folder: Path) -> None:
    if not (folder / "out").is_dir():
        unpack(inputs.folder / "new.zip", folder / "out", progress=False)


def start_and_end_run(inputs: Inputs, folder: Path) -> None:
    identity = {"config": {"seed": 0}, "contents": {}}
    run = Run(folder / "out")
    with locked(run.folder):
        if begin(run.folder, inputs.config, identity, [], []):
            with recorded(run.folder):
                run.write_predictions(make_predictions(40))
                run.write_status("finished", best="checkpoints/best.ckpt")


def record_sweep(inputs: Inputs, folder: Path) -> None:
    jobs = tuple(job_of([f"seed={number}"]) for number in range(3))
    write_sweep(folder / "out", Sweep(jobs, "local", ("train.py",)))
    for job in jobs:
        write_record(folder / "out", job, status="finished", updated_by="test")


def publish_review(inputs: Inputs, folder: Path) -> None:
    cell = inputs.review.cell("c0")
    classes = {file.name: file.assigned for file in cell.files}
    approval = decision("approve", cell="c0", to="46,XY", classes=classes)
    publish(inputs.review, replay([approval]), folder / "out")


def write_plain(inputs: Inputs, folder: Path) -> None:
    out = folder / "out"
    write_text(out / "text.txt", "text\n" * 100)
    write_json(out / "values.json", {"values": list(range(100))})
    write_bytes(out / "bytes", bytes(1000))
    write_csv(out / "table.csv", TABLE)


def write_binary(inputs: Inputs, folder: Path) -> None:
    out = folder / "out"
    write_predictions(out / "predictions.parquet", make_predictions(20))
    write_pictures(out / "thumbnails.parquet", list("abc"), [PIXELS] * 3, 40)
    write_picture(out / "picture.png", PIXELS)
    WholeFiles().save_checkpoint({"state": torch.arange(500)}, out / "last.ckpt")


COMMANDS: dict[str, Callable[[Inputs, Path], None]] = {
    "evaluate.py": typed(evaluate.app, "{of}/good --output {out} resamples=10"),
    "evaluate.py, two experiments": typed(evaluate.app, "{of}/good {of}/poor --output {out} resamples=10"),
    "ensemble.py": typed(ensemble.app, "average {of}/good {of}/poor --output {out} evaluation.resamples=10"),
    "predict.py": typed(predict.app, "{of}/network {of}/new cache_dir={of}/cache --output {out}/new.csv"),
    "karyotype.py": typed(karyotype.app, "{of}/karyotyper {of}/cells cache_dir={of}/cache --output {out}"),
    "prepared images": prepare,
    "synthetic images": draw_images,
    "prepare_data.py --export": export_drawn,
    "unpacked zip": unzip,
    "start and end of a run": start_and_end_run,
    "records of a sweep": record_sweep,
    "approved karyotypes": publish_review,
    "text and tables": write_plain,
    "predictions, pictures, weights": write_binary,
}


# Files that hold times, or hashes of files that name their folder.
OF_EACH_RUN = ("environment.json", "results.csv", "images.csv", "checksums.json")


def contents(folder: Path) -> dict[str, bytes | int]:
    """Return what is to be read in a folder: the bytes of each file, of OF_EACH_RUN their number of lines."""
    found: dict[str, bytes | int] = {}
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in place.parts) and path.suffix != ".lock":
            content = path.read_bytes()
            if path.suffix == ".parquet":
                content = pd.read_parquet(path).to_csv().encode()
            timed = place.parts[-2:-1] == ("jobs",) or path.name in OF_EACH_RUN
            found[str(place)] = content.count(b"\n") if timed else content.replace(folder.name.encode(), b"FOLDER")
    return found


def sizes(folder: Path) -> np.ndarray:
    """Return the bytes of each file in a folder."""
    return np.array([path.stat().st_size for path in folder.rglob("*") if path.is_file()])
