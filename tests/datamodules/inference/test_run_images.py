import numpy as np
import pytest

from datamodules.image_datamodule import ImageDataModule
from datamodules.inference.run_images import from_test_part
from karyocyte.common.errors import UserError
from karyocyte.runs.run import Run
from tests.helpers.images import cell_image, write_class_folders, write_image
from tests.helpers.sheets import karyogram_config, write_karyograms
from tests.helpers.training import small_config


def run_of(tmp_path, config):
    """A run's folder with its split and its configuration, and its data module."""
    module = ImageDataModule(config, progress=False)
    module.setup()
    module.write_facts(tmp_path / "run")
    Run(tmp_path / "run").write_config(config.model_dump(mode="json"))
    return tmp_path / "run", module


@pytest.fixture
def run(tmp_path):
    root = write_class_folders(tmp_path / "images", {"a": 20, "b": 20})
    data = ["data=folder", "data.positive_class=b", f"data_dir={root}", "protocol=image"]
    return run_of(tmp_path, small_config(tmp_path, "model=resnet18", data=data))


def test_samples_are_test_images_of_each_class_in_turn(run):
    folder, module = run
    labels = module.manifest.frame["label"][module.rows("test")]
    of_a, of_b = (labels.index[labels == name] for name in "ab")
    for image, row in zip(from_test_part(folder, 3, progress=False), (of_a[0], of_b[0], of_a[1]), strict=True):
        assert np.array_equal(image, module.images[row])
    assert len(from_test_part(folder, 1000, progress=False)) == len(labels)


def test_samples_have_the_size_of_the_network_input(tmp_path):
    root = write_karyograms(tmp_path / "sheets", {"normal": 12, "abnormal": 12})
    config = karyogram_config(tmp_path, root, "protocol=image", "prepare.augment_at=48")
    folder, module = run_of(tmp_path, config)
    assert from_test_part(folder, 1, progress=False).shape == (1, 32, 32, 3)
    assert module.images[0].shape == (48, 48, 3)


def test_changed_images_are_refused(run):
    folder, module = run
    for row in module.rows("test"):
        write_image(module.manifest.file(row), cell_image(9000 + int(row)))
    with pytest.raises(UserError, match="data_dir="):
        from_test_part(folder, 2, progress=False)
