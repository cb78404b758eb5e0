"""The revision of the code: what counts as changed, and what lies in the checkout without being code."""

import subprocess

import pytest

from karyocyte.common import revision


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository of one module, one file of conf/ and one model, committed."""
    for folder in ("conf", "models/net"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "models" / "net" / "net.safetensors").write_bytes(b"weights")
    (tmp_path / "conf" / "train.yaml").write_text("seed: 0\n")
    (tmp_path / "train.py").write_text("pass\n")
    who = ("-c", "user.name=tester", "-c", "user.email=tester@localhost")
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-qm", "first")):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    monkeypatch.setattr(revision, "ROOT", tmp_path)
    return tmp_path


def found():
    return revision.revision.__wrapped__()  # past the cache


def test_outputs_and_own_configurations_within_the_checkout_are_no_change_of_the_code(checkout):
    commit = found()
    assert len(commit) == 12
    output = checkout / "external"
    output.mkdir()
    (output / "config.yaml").write_text("name: external\n")
    (output / "metrics.json").write_text("{}\n")
    (checkout / "conf" / "new.yaml").write_text("name: own\n")
    assert found() == commit


@pytest.mark.parametrize("name", ["train.py", "conf/train.yaml", "models/net/net.safetensors", "new/network.py"])
def test_changed_code_configuration_or_model_and_new_code_is_a_change(checkout, name):
    commit = found()
    (checkout / name).parent.mkdir(exist_ok=True)
    (checkout / name).write_text("# changed\n")
    assert found() == f"{commit}+changes"


def test_without_git_the_revision_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(revision, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert found() == "unknown"
