"""A run whose frame is measured on its training images: its folder keeps the number, and all that uses it agrees."""

import numpy as np
import pandas as pd
import pytest

from datamodules.inference.run_images import from_test_part
from datamodules.io.decode import read_image
from datamodules.preprocessing.pipeline import prepare_single
from karyocyte.commands.export import app as export
from karyocyte.commands.predict import app as predict
from karyocyte.runs.portable import PortableModel
from karyocyte.runs.run import Run
from tests.helpers.images import cell_image, write_image
from tests.helpers.portable import TINY
from tests.helpers.terminal import run_app
from tests.helpers.training import run_undrawn, small_config

pytestmark = pytest.mark.usefixtures("blank_figures")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    root = tmp_path_factory.mktemp("framed") / "images"
    for number in range(40):
        size = 40 + number  # the content has 12 pixels less
        write_image(root / ("hem", "all")[number % 2] / f"s{number}.png", cell_image(number, size))
    return root


@pytest.fixture(scope="module")
def config(images):
    data = ["data=folder", "data.positive_class=all", f"data_dir={images}", "prepare.fit=frame"]
    return small_config(images.parent, *TINY, data=data)


@pytest.fixture(scope="module")
def run(config):
    return Run(run_undrawn(config))


def test_the_run_keeps_the_frame_and_the_same_command_finds_it(run, config):
    train = run.split[run.split["part"] == "train"]
    sides = 28 + train["path"].str.extract(r"s(\d+)")[0].astype(int)
    frame = int(np.ceil(np.percentile(sides, 99)))
    assert run.config.prepare.frame == frame
    assert run.identity["config"]["prepare"]["frame"] is None
    before = run.path("status.json").read_text()
    assert run_undrawn(config) == run.folder
    assert Run(run.folder).config.prepare.frame == frame
    assert run.path("status.json").read_text() == before


def test_an_interrupted_run_goes_on_with_the_same_frame(run, config):
    frame = run.config.prepare.frame
    unfinished = config.model_copy(update={"seed": 7})
    folder = run_undrawn(unfinished)
    Run(folder).write_status("interrupted")
    assert run_undrawn(unfinished) == folder
    assert Run(folder).is_finished
    assert Run(folder).config.prepare.frame == frame


def probabilities(table, names):
    return table.set_index("file").loc[names, "prob_all"].to_numpy()


def test_new_images_are_prepared_alike_by_the_run_and_by_its_export(run, images, tmp_path):
    tested = run.predictions.part("test").frame
    names = tested["image_id"].tolist()
    run_app(export, run.folder, "--output", tmp_path / "model", "--licence", "CC-BY-4.0")
    model = PortableModel(tmp_path / "model")
    assert model.description.members[0].prepare == run.config.prepare
    for name, model_folder, words in (
        ("run", run.folder, []), ("torch", model.folder, []), ("onnx", model.folder, ["runtime=onnx"])
    ):  # fmt: skip
        run_app(predict, model_folder, images, *words, "--output", tmp_path / f"{name}.csv")
        table = pd.read_parquet(tmp_path / f"{name}.parquet")
        assert probabilities(table, names) == pytest.approx(tested["prob_all"].to_numpy(), abs=1e-5)


def test_what_explains_a_run_sees_its_images(run, images):
    samples = from_test_part(run.folder, 100, progress=False)
    for image, name in zip(samples.images, samples.names, strict=True):
        assert np.array_equal(image, prepare_single(read_image(images / name), run.config.prepare))
