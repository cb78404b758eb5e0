"""A file of an artefact is the one that was written, or an error names it."""

import shutil

import pytest

from karyocyte.common.checksums import Checksums
from karyocyte.common.errors import UserError
from tests.faults.artefacts import DAMAGES


@pytest.fixture
def artefact(tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    for name in ("identity.json", "table.csv"):
        (folder / name).write_text(f"{name} of one\n")
    checksums = Checksums(folder, "identity.json", "make it again")
    checksums.write(["table.csv", "weights"])
    return checksums


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named(artefact, damage, tmp_path):
    other = tmp_path / "other"
    other.write_text("table.csv of another\n")
    assert artefact.checked("table.csv").read_text() == "table.csv of one\n"
    DAMAGES[damage](artefact.folder / "table.csv", other)
    with pytest.raises(UserError, match=r"table\.csv (was changed|is missing).*make it again"):
        artefact.checked("table.csv")


def test_the_list_of_another_artefact_does_not_fit_and_a_new_file_is_none_of_it(artefact, tmp_path):
    other = Checksums(tmp_path / "other", "identity.json", "make it again")
    shutil.copytree(artefact.folder, other.folder)
    (other.folder / "identity.json").write_text("another\n")
    other.write(["table.csv"])
    shutil.copyfile(other.folder / "checksums.json", artefact.folder / "checksums.json")
    with pytest.raises(UserError, match=r"identity\.json was changed"):
        Checksums(artefact.folder, "identity.json", "").checked("table.csv")
    (other.folder / "weights").touch()
    with pytest.raises(UserError, match=r"weights is not listed"):
        other.checked("weights")
    assert not other.checked("never there").exists()


def test_a_change_is_accepted_once_and_recorded(artefact, capsys):
    (artefact.folder / "table.csv").write_text("edited\n")
    Checksums.accepting = True
    artefact.checked("table.csv")
    Checksums.accepting = False
    assert "table.csv was changed" in capsys.readouterr().out
    assert artefact.checked("table.csv").read_text() == "edited\n"
