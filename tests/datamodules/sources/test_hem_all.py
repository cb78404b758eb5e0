"""Paper 003's data are C-NMC's under another name."""

from datamodules.sources import list_images
from datamodules.sources.cnmc import CnmcConfig, HemAllConfig
from tests.helpers.images import write_cnmc


def test_the_listing_is_that_of_cnmc(tmp_path):
    root = write_cnmc(tmp_path / "cnmc", subjects_per_fold=2, images=1)
    ours = list_images(HemAllConfig(source="hem_all", positive_class="all"), str(root), tmp_path)
    theirs = list_images(CnmcConfig(source="cnmc", positive_class="all"), str(root), tmp_path)
    assert ours.source == "hem_all"
    assert (ours.records, ours.notes, ours.classes) == (theirs.records, theirs.notes, ("hem", "all"))
