"""Above what scripts/karyotype.py refers a cell."""

from dataclasses import replace

from common.karyotype import CellThresholds
from workflows.cell_settings import KaryotypeConfig
from workflows.cell_thresholds import choose_on_validation, validation_distances
from workflows.models import PortableNetworks, RunsModel


def referral_thresholds(model: RunsModel | PortableNetworks, config: KaryotypeConfig) -> CellThresholds:
    """Return the thresholds that the user sets, and for the others those of the validation cells."""
    if isinstance(model, RunsModel):
        chosen = choose_on_validation(model, config, validation_distances(model, config.share_of_files))
    else:
        facts = model.model.description.cells
        chosen = (facts and facts.thresholds) or CellThresholds(note="the model has no thresholds of referral: default")
        if config.out_of_distribution != KaryotypeConfig().out_of_distribution:  # another unit than at the export
            chosen = replace(chosen, distance=None)
    if config.refer_expected_wrong is not None:
        chosen = replace(chosen, expected_wrong=config.refer_expected_wrong, note=None)
    doubtful = chosen.doubtful if config.refer_doubtful is None else config.refer_doubtful
    distance = chosen.distance if config.refer_distance is None else config.refer_distance
    return replace(chosen, doubtful=doubtful, distance=distance)
