"""What scripts/explain.py does with runs, by its name."""

from workflows.explain.activations import draw_all_layers
from workflows.explain.heatmaps import explain_runs, write_missing_thumbnails
from workflows.explain.localisation import localise_runs

RUN = {
    "heatmaps": explain_runs,
    "layers": draw_all_layers,
    "localisation": localise_runs,
    "thumbnails": write_missing_thumbnails,
}
