"""The output of a search: a table of its trials, a picture per searched key, and the best settings."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import yaml
from omegaconf import DictConfig, OmegaConf
from optuna import Study
from optuna.exceptions import ExperimentalWarning
from optuna.trial import TrialState
from optuna.visualization.matplotlib import plot_slice

from karyocyte.common.cli import console, say, warn
from karyocyte.common.errors import UserError
from karyocyte.common.files import atomic_path, write_csv, write_text
from karyocyte.evaluation.tables.renderers import frame_table
from karyocyte.evaluation.types.formats import heading
from karyocyte.workflows.sweeps.tuning.settings import SearchConfig, Value

STATES = {"COMPLETE": "finished", "FAIL": "failed"}
_ABSENT = object()


@dataclass(frozen=True)
class SearchReport:
    """Writes the tables and pictures of a search into the study's folder.

    ``facts`` are for the titles, see ``formats.heading``; ``composed`` is Hydra's composition without the search.
    """

    folder: Path
    search: SearchConfig
    monitor: str
    facts: Mapping[str, Any]
    composed: DictConfig

    def write_table(self, study: Study) -> pd.DataFrame:
        """Write trials.csv and return it: a row per trial that has begun; what is unknown is missing.

        Trials that were interrupted, and whose values are tried again, have the state "repeated"; those of killed
        processes stay "running".
        """
        table = study.trials_dataframe(("number", "state", "value", "params", "user_attrs", "duration"))
        table.columns = [re.sub("^(params|user_attrs)_", "", name) for name in table.columns]
        columns = ["number", "state", "value", *self.search.space, "duration", "run", "message"]
        table = table.reindex(columns=columns).rename(columns={"value": self.monitor, "duration": "seconds"})
        table = table[table["state"] != "WAITING"]
        table["state"] = table["state"].replace(STATES).str.lower()
        table.loc[(table["state"] == "failed") & table["message"].isna(), "state"] = "repeated"
        table["seconds"] = pd.to_timedelta(table["seconds"]).dt.total_seconds()
        write_csv(self.folder / "trials.csv", table)
        return table

    def write(self, study: Study) -> None:
        """Write and print all; a ``UserError`` says that no trial ended well."""
        table = self.write_table(study)
        facts = {**self.facts, "name": f"{self.facts['name']}, search ({self.search.sampler})"}
        shown = table.drop(columns=["run", "message"])
        rounded = shown.map(lambda value: f"{value:.6g}" if isinstance(value, float) else value, na_action="ignore")
        console.print(frame_table(rounded))
        for row in table[table["state"] == "failed"].to_dict("records"):
            warn(f"trial {row['number']} failed: {row['message']}")
        if not study.get_trials(False, (TrialState.COMPLETE,)):
            raise UserError(f"none of {len(table)} trials ended well, see {self.folder / 'trials.csv'}")
        for key in self.search.space:
            draw_slice(self.folder / f"loss_by_{key}.png", study, key, facts)
        best = study.best_trial
        values = {"trial": best.number, "monitor": self.monitor, "value": best.value, "run": best.user_attrs["run"]}
        values["overrides"] = overrides_of(best.params, self.composed)
        write_text(self.folder / "best.yaml", yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=1000))
        say(f"best: trial {best.number}, {self.monitor} {best.value:.4f}", str(values["run"]))
        say(
            "train.py with the same words but those of the search, and these, trains it:",
            shlex.join(values["overrides"]),
        )
        say(f"results in {self.folder}")


def overrides_of(values: Mapping[str, Value], composed: DictConfig) -> list[str]:
    """Return values as one types them: ``key=value``, or ``+key=value`` where ``composed`` has no such key yet."""
    overrides = []
    for key, value in values.items():
        added = "+" if OmegaConf.select(composed, key, default=_ABSENT) is _ABSENT else ""
        overrides.append(f"{added}{key}={json.dumps(value, ensure_ascii=False)}")
    return overrides


def draw_slice(path: Path, study: Study, key: str, facts: Mapping[str, Any]) -> None:
    """Draw the monitored value of each finished trial over the value of one key (paper 001, figures 3.3 and 3.4)."""
    with atomic_path(path) as temporary, mpl.rc_context(), catch_warnings():
        simplefilter("ignore", ExperimentalWarning)
        plot_slice(study, params=[key])
        plt.suptitle(heading(dict(facts)))
        plt.savefig(temporary, bbox_inches="tight")
        plt.close()
