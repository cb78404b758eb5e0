"""weights=keras: downloaded from a stand-in for Keras' store, checked, converted, and compared with Keras itself."""

import errno
import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from karyocyte.common.errors import UserError
from karyocyte.common.files import sha256_of_file
from karyocyte.common.keras import KERAS, MIRROR
from karyocyte.common.paths import ROOT
from karyocyte.composition.compose import check_config
from karyocyte.composition.grid import job_configs
from karyocyte.workflows.sweeps.weights import bring_weights
from lightning_modules.backbones import weights
from lightning_modules.backbones.backbone import has_running_statistics
from lightning_modules.backbones.pretrained import build_pretrained
from lightning_modules.backbones.weights import find_weights
from lightning_modules.backbones.weights_folders import WeightsFolders
from lightning_modules.build.build import build_classifier
from lightning_modules.optimizers import build_optimizer
from tests.helpers.training import composed
from tests.lightning_modules.backbones.keras_reference import CONSTANTS, SIDE, images, write_networks
from tests.lightning_modules.backbones.test_pretrained import model

NETWORK = "mobilenetv2_100"  # of the smallest file
FILE = Path(KERAS[NETWORK].path).name
# The experiments that papers 001, 003 and 004 report a figure for, or describe: trained with Keras.
OF_PAPERS = re.compile(r"# @package _global_\n# Paper 00[134]")
EXPERIMENTS = sorted((ROOT / "conf" / "experiment").glob("*.yaml"))
PAPERS = [path.stem for path in EXPERIMENTS if OF_PAPERS.match(path.read_text())]


class Handler(SimpleHTTPRequestHandler):
    """Serves the files of a folder, and notes in the server what is asked; it hangs up after so many bytes."""

    def copyfile(self, source, outputfile):
        outputfile.write(source.read(self.server.broken_after))

    def log_request(self, *_: object) -> None:
        self.server.asked.append(self.path)


@pytest.fixture(scope="module")
def keras(tmp_path_factory) -> Path:
    """A folder of each network's random weights, as Keras writes them, and its features of the images."""
    folder = tmp_path_factory.mktemp("keras")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"BACKEND": "torch", "HOME": str(folder), "TORCH_DEVICE": "cpu"}.items():
            patch.setenv(f"KERAS_{name}", value)
        write_networks(folder)
    return folder


@pytest.fixture
def store(tmp_path, monkeypatch) -> Iterator[ThreadingHTTPServer]:
    """An empty store that the environment names."""
    (tmp_path / "store").mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=tmp_path / "store")) as server:
        server.asked, server.broken_after = [], None
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv(MIRROR, f"http://127.0.0.1:{server.server_port}/")
        yield server
        server.shutdown()


@pytest.fixture
def folders(tmp_path) -> WeightsFolders:
    (tmp_path / "own").mkdir()
    return WeightsFolders(tmp_path / "own", tmp_path / "cache" / "weights")


@pytest.fixture
def publish(tmp_path, monkeypatch) -> Callable[..., None]:
    def put(path: Path, network: str = NETWORK) -> None:
        """Put a file into the store, and what is known of it into the table."""
        place = tmp_path / "store" / KERAS[network].path
        place.parent.mkdir()
        place.symlink_to(path)
        known = {"size": path.stat().st_size, "digest": f"sha256:{sha256_of_file(path)}"}
        monkeypatch.setitem(KERAS, network, replace(KERAS[network], **known))

    return put


@pytest.mark.parametrize("network", KERAS)
def test_features_are_those_of_keras(network, keras, store, folders, publish):
    """To 1e-5 of the largest feature, from images as a user has them: RGB, scaled as Keras scales them."""
    publish(keras / f"{network}.h5", network)
    backbone, info = build_pretrained(model(network), "keras", SIDE, folders=folders)
    scaled = (images() / 255 - np.array(info.mean, np.float32)) / np.array(info.std, np.float32)
    with torch.no_grad():
        features = backbone.module.eval().forward_features(torch.from_numpy(scaled).permute(0, 3, 1, 2)).numpy()
    expected = np.load(keras / f"{network}.npy")
    np.testing.assert_allclose(features, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    name = KERAS[network].name
    kept = [f"{name}.lock", f"{name}.safetensors"]
    assert sorted(path.name for path in folders.cache.iterdir()) == kept
    assert find_weights(model(network), name, folders).path == folders.cache / kept[1]
    assert store.asked == [f"/{KERAS[network].path}"]


def test_the_papers_networks_and_optimisers_have_the_constants_of_keras(keras, undrawn_layers):
    """BatchNorm of each of their networks and heads, and Adam: those that Keras builds."""
    configs = {}
    for name in PAPERS:
        config = check_config(composed([f"+experiment={name}", "weights=random", "prepare.size=96"]))
        # Of those with the same network, head and optimiser one is built.
        configs[str((config.model, config.head, config.optimizer))] = name, config
    for name, config in configs.values():
        assert_constants(name, config, json.loads((keras / CONSTANTS).read_text()))


def assert_constants(name, config, expected):
    classifier, _ = build_classifier(config, ("a", "b"))
    layers = {"backbone": expected.get(config.model.name, []), "head": []}
    if "karyogram" in name:
        layers["head"] = expected["head"]
    for part, constants in layers.items():
        modules = filter(has_running_statistics, getattr(classifier, part).modules())
        ours = [(1 - module.momentum, module.eps) for module in modules]
        if config.model.cut is None or part == "head":
            assert len(ours) == len(constants), name
        # A stack of one network has the same constants in all of its layers.
        assert {(round(momentum, 9), eps) for momentum, eps in ours} == {tuple(pair) for pair in constants}, name
    for stage in config.unfreeze.stages.values():
        optimizer = build_optimizer(config.optimizer, [*classifier.parameters()], stage.lr)
        assert optimizer.defaults["eps"] == expected["adam"][0], name  # RMSprop's is the same


def test_a_trunk_of_the_users_own_folder_comes_first(store, folders):
    path = folders.own / "resnet50_v1.msra_in1k.trunk_to_layer3.safetensors"
    path.touch()
    assert find_weights(model("resnet50_v1", "layer3"), "keras", folders).path == path


def test_a_file_that_was_brought_is_checked_and_converted_without_the_network(keras, store, folders, publish):
    path = keras / f"{NETWORK}.h5"
    publish(path)
    brought = folders.own / FILE
    brought.write_bytes(b"damaged")
    with pytest.raises(UserError, match=rf"{brought} was not brought .*its sha256 is .*: it is damaged"):
        find_weights(model(NETWORK), "keras", folders)
    brought.write_bytes(path.read_bytes())
    assert find_weights(model(NETWORK), "keras", folders).path.parent == folders.cache
    assert store.asked == []


def test_beforehand_they_are_brought_to_the_users_own_folder(keras, store, folders, publish):
    publish(keras / f"{NETWORK}.h5")
    places = [f"weights_dir={folders.own}", f"cache_dir={folders.cache}"]
    configs = job_configs(["+experiment=mobilenetv2_cut", *places], needs_data=False)
    bring_weights(configs, download=False)
    assert store.asked == []
    bring_weights(configs)
    bring_weights(configs)
    assert find_weights(model(NETWORK), "keras", folders).path.parent == folders.own
    assert store.asked == [f"/{KERAS[NETWORK].path}"]
    _, info = build_pretrained(model(NETWORK), "keras", SIDE, folders=folders)
    assert (info.mean, info.std) == KERAS[NETWORK].scale


FAULTS = {
    "absent": "HTTP Error 404", "nobody answers": "Connection refused", "silent": "timed out",
    "broken off": "its sha256 is .*: it is damaged, cut short or another file", "full disk": "No space left on device",
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line_that_says_what_to_bring_where(fault, store, folders, publish, tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_bytes(b"x" * 1000)
    publish(file)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        match fault:
            case "absent":
                file.unlink()
            case "nobody answers" | "silent":
                monkeypatch.setattr(weights, "STORE_SECONDS", 0.2)
                monkeypatch.setenv(MIRROR, f"http://127.0.0.1:{silent.getsockname()[1]}")
                if fault == "nobody answers":
                    silent.close()
            case "broken off":
                store.broken_after = 300
            case "full disk":
                full = Mock(side_effect=OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
                monkeypatch.setattr(weights, "copyfileobj", full)
        with pytest.raises(UserError, match=FAULTS[fault]) as caught:
            find_weights(model(NETWORK), "keras", folders)
    message = str(caught.value)
    assert "\n" not in message
    assert f"{os.environ[MIRROR].rstrip('/')}/{KERAS[NETWORK].path}" in message
    assert f"bring {FILE}, with its 1,000 bytes, to {folders.own} (KARYOCYTE_WEIGHTS_DIR)" in message
    assert [path.suffix for path in folders.cache.iterdir()] == [".lock"]


def test_a_damaged_cache_is_made_again(keras, store, folders, publish):
    publish(keras / f"{NETWORK}.h5")
    path = find_weights(model(NETWORK), "keras", folders).path
    whole = path.read_bytes()
    path.write_bytes(whole[:-1000])
    assert find_weights(model(NETWORK), "keras", folders).path.read_bytes() == whole


def test_of_two_at_once_one_brings_them_and_the_other_waits(keras, store, folders, publish):
    publish(keras / f"{NETWORK}.h5")
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: find_weights(model(NETWORK), "keras", folders), range(2)))
    assert [file.path.stem for file in found] == [KERAS[NETWORK].name] * 2
    assert len(store.asked) == 1
