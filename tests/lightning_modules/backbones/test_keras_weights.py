"""weights=keras: downloaded from a stand-in for Keras' store, checked, converted, and compared with Keras itself."""

import errno
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import safetensors.torch
import torch

from common.config.grid import job_configs
from common.errors import UserError
from common.files import sha256_of_file
from common.keras import STEMS
from lightning_modules.backbones import keras_store
from lightning_modules.backbones.keras_files import NETWORKS, converted, read_layers
from lightning_modules.backbones.keras_store import FILES, MIRROR
from lightning_modules.backbones.local_weights import WeightsFolders, read_side_file
from lightning_modules.backbones.pretrained import build_pretrained, download_size, find_weights, weights_at_hand
from tests.lightning_modules.backbones.keras_reference import SIDE, images
from tests.lightning_modules.backbones.test_pretrained import model
from tests.lightning_modules.tiny import SIDE as SIDE_FILE
from workflows.sweeps.weights import bring_weights

NETWORK = "mobilenetv2_100"  # of the smallest file
FILE = FILES[NETWORK]


class Store(ThreadingHTTPServer):
    """Serves the files of a folder, and remembers what was asked of it; ``broken_after`` bytes it hangs up."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.asked: list[str] = []
        self.broken_after: int | None = None


class Handler(SimpleHTTPRequestHandler):
    def copyfile(self, source, outputfile):
        outputfile.write(source.read(self.server.broken_after))

    def log_request(self, *_: object) -> None:
        self.server.asked.append(self.path)

    def log_error(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def keras(tmp_path_factory) -> Path:
    """A folder of each network's random weights, as Keras writes them, and its features of the images."""
    folder = tmp_path_factory.mktemp("keras")
    subprocess.run([sys.executable, "-m", "tests.lightning_modules.backbones.keras_reference", folder], check=True)
    return folder


@pytest.fixture
def store(tmp_path, monkeypatch) -> Iterator[Store]:
    """An empty store that the environment names."""
    (tmp_path / "store").mkdir()
    with Store(tmp_path / "store") as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv(MIRROR, server.address)
        yield server
        server.shutdown()


@pytest.fixture
def folders(tmp_path) -> WeightsFolders:
    (tmp_path / "own").mkdir()
    return WeightsFolders(tmp_path / "own", tmp_path / "cache" / "weights")


def publish(path: Path, network: str, tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    """Put a file into the store, and what is known of it into the table."""
    place = tmp_path / "store" / FILES[network].path
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(path)
    known = replace(FILES[network], size=path.stat().st_size, md5=None, sha256=sha256_of_file(path))
    patch.setitem(FILES, network, known)


def published_bytes(content: bytes, tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    """Publish a file that is quick to bring, but holds no weights."""
    (tmp_path / "file").write_bytes(content)
    publish(tmp_path / "file", NETWORK, tmp_path, patch)


def left_in(folders: WeightsFolders) -> list[str]:
    """Return the names of what lies in the cache, without the lock."""
    return [path.name for path in folders.cache.glob("*") if path.suffix != ".lock"]


@pytest.mark.parametrize("network", FILES)
def test_features_are_those_of_keras(network, keras, store, folders, tmp_path, monkeypatch):
    """To 1e-5 of the largest feature, from images as a user has them: RGB, scaled as the side file says."""
    publish(keras / f"{network}.h5", network, tmp_path, monkeypatch)
    backbone, info = build_pretrained(model(network), "keras", SIDE, folders=folders)
    scaled = images() / 255
    scaled = (scaled - np.array(info.mean, np.float32)) / np.array(info.std, np.float32)
    with torch.no_grad():
        features = backbone.module.eval().forward_features(torch.from_numpy(scaled).permute(0, 3, 1, 2)).numpy()
    expected = np.load(keras / f"{network}.npy")
    np.testing.assert_allclose(features, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    name = f"{STEMS[network]}.safetensors"
    assert sorted(left_in(folders)) == [name, f"{name}.json"]
    assert find_weights(model(network), STEMS[network], folders).path == folders.cache / name
    assert store.asked == [f"/{FILES[network].path}"]


@pytest.mark.parametrize("name", ["mobilenetv2_100.tf_keras_in1k", "resnet50_v1.msra_in1k.trunk_to_layer3"])
def test_the_real_files_fill_the_same_network(name, keras):
    path = Path(os.environ.get("KARYOCYTE_WEIGHTS_DIR") or "/nowhere") / f"{name}.safetensors"
    if not path.is_file():
        pytest.skip(f"KARYOCYTE_WEIGHTS_DIR has no {path.name}")
    side = read_side_file(path)
    state = converted(read_layers(keras / f"{side.model}.h5"), side.model)
    real = safetensors.torch.load_file(path)
    whole = {key: values.shape for key, values in state.items() if "trunk" not in name or not key.startswith("layer4")}
    assert whole == {key: values.shape for key, values in real.items()}
    args = NETWORKS[side.model].args
    assert {key: value for key, value in side.timm_args.items() if key != "num_classes"} == args


def test_a_trunk_of_the_users_own_folder_comes_first(store, folders, tmp_path):
    path = folders.own / "resnet50_v1.msra_in1k.trunk_to_layer3.safetensors"
    path.touch()
    Path(f"{path}.json").write_text(json.dumps({**SIDE_FILE, "model": "resnet50_v1"}))
    assert find_weights(model("resnet50_v1", "layer3"), "keras", folders).path == path
    assert weights_at_hand(model("resnet50_v1"), "keras", folders) is None
    with pytest.raises(
        UserError, match=r"404.*has other weights of resnet50_v1: weights=resnet50_v1.msra_in1k model.cut="
    ):
        find_weights(model("resnet50_v1"), "keras", folders)


def test_whether_they_are_at_hand_is_told_without_the_network(keras, store, folders, tmp_path, monkeypatch):
    publish(keras / f"{NETWORK}.h5", NETWORK, tmp_path, monkeypatch)
    assert weights_at_hand(model(NETWORK), "keras", folders) is None
    assert download_size(model(NETWORK), "keras") == (keras / f"{NETWORK}.h5").stat().st_size
    assert download_size(model(NETWORK), f"{NETWORK}.ra_in1k") is None
    assert store.asked == []


def test_a_file_that_the_user_has_brought_is_converted(keras, store, folders, tmp_path, monkeypatch):
    publish(keras / f"{NETWORK}.h5", NETWORK, tmp_path, monkeypatch)
    brought = folders.own / FILE.name
    brought.write_bytes(b"damaged")
    with pytest.raises(
        UserError, match=rf"{brought} was not brought to .*it has 7 bytes, not [\d,]+: the download broke"
    ):
        find_weights(model(NETWORK), "keras", folders)
    brought.write_bytes((keras / f"{NETWORK}.h5").read_bytes())
    assert weights_at_hand(model(NETWORK), "keras", folders).parent == folders.cache
    assert store.asked == []


def nothing_there(store: Store, patch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    (tmp_path / "store" / FILE.path).unlink()
    return "HTTP Error 404"


def nobody_answers(store: Store, patch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        patch.setenv(MIRROR, f"http://127.0.0.1:{free.getsockname()[1]}/")
    return "Connection refused"


def silent(store: Store, patch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    listening = socket.create_server(("127.0.0.1", 0))
    patch.setattr(keras_store, "TIMEOUT_SECONDS", 0.2)
    patch.setenv(MIRROR, f"http://127.0.0.1:{listening.getsockname()[1]}")
    patch.setattr(store, "listening", listening, raising=False)  # kept open
    return "timed out"


def broken_off(store: Store, patch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    store.broken_after = 300
    return "it has 300 bytes, not 1,000: the download broke off"


def other_content(store: Store, patch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    (tmp_path / "file").write_bytes(b"y" * 1000)
    return "its sha256 is .* it is damaged, or another file"


def full_disk(store: Store, patch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    def copy(_source, target):
        target.write(b"x")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    patch.setattr(keras_store, "copyfileobj", copy)
    return "No space left on device"


@pytest.mark.parametrize("fault", [nothing_there, nobody_answers, silent, broken_off, other_content, full_disk])
def test_a_fault_is_one_line_that_says_what_to_bring_where(fault, store, folders, tmp_path, monkeypatch):
    published_bytes(b"x" * 1000, tmp_path, monkeypatch)
    reason = fault(store, monkeypatch, tmp_path)
    with pytest.raises(UserError, match=reason) as caught:
        find_weights(model(NETWORK), "keras", folders)
    message = str(caught.value)
    assert "\n" not in message
    assert FILES[NETWORK].url in message
    assert f"bring {FILE.name}, with its 1,000 bytes, to {folders.own} (KARYOCYTE_WEIGHTS_DIR)" in message
    assert left_in(folders) == []


def test_a_file_of_another_network_is_refused(keras):
    with pytest.raises(ValueError, match="52 convolutions instead of 13"):
        converted(read_layers(keras / f"{NETWORK}.h5"), "vgg16")


def test_other_networks_have_none(folders):
    with pytest.raises(UserError, match=f"none for model.name=resnet18, only for {', '.join(STEMS)}"):
        find_weights(model("resnet18"), "keras", folders)


def test_of_two_at_once_one_brings_them_and_the_other_waits(keras, store, folders, tmp_path, monkeypatch):
    publish(keras / f"{NETWORK}.h5", NETWORK, tmp_path, monkeypatch)
    with ThreadPoolExecutor(2) as pool:
        found = [pool.submit(find_weights, model(NETWORK), "keras", folders) for _ in range(2)]
    assert [future.result().path.stem for future in found] == [STEMS[NETWORK]] * 2
    assert len(store.asked) == 1


def test_prepare_data_brings_them_and_says_where_they_lie(keras, store, folders, tmp_path, monkeypatch, capsys):
    publish(keras / f"{NETWORK}.h5", NETWORK, tmp_path, monkeypatch)
    configs = job_configs(
        ["+experiment=mobilenetv2_features,mobilenetv2_cut", "weights_dir=null", f"cache_dir={tmp_path / 'cache'}"],
        needs_data=False,
    )
    bring_weights(configs)
    printed = capsys.readouterr().out
    assert f"{folders.cache / STEMS[NETWORK]}.safetensors" in printed
    assert "1 file of weights" in printed
    assert len(store.asked) == 1
