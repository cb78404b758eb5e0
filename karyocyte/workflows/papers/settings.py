"""The typed schema of conf/reproduction/: how the experiments of a paper are reproduced."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from karyocyte.common.errors import UserError
from karyocyte.common.paths import CONF
from karyocyte.config.base import Name, StrictModel
from karyocyte.config.defaults import section_defaults
from karyocyte.config.explain import validated
from karyocyte.config.overrides import check_words, key_of

FOLDER = CONF / "reproduction"
OWN_KEYS = ("experiment", "sweep", "protocol", "seed", "name", "split.fold", "split.test")
Count = Annotated[int, Field(ge=0)]


class ExplanationConfig(StrictModel):
    """A picture or table that scripts/explain.py makes of one run each of some experiments.

    ``keys`` are those of conf/explain.yaml.
    """

    draw: Literal["heatmaps", "layers", "smoothness"]
    experiments: Annotated[tuple[str, ...], Field(min_length=1)]
    keys: tuple[str, ...] = ()


class ReproductionConfig(StrictModel):
    """A file of conf/reproduction/; the experiments and ensembles are those of results/claims.csv."""

    title: str
    as_paper: tuple[str, ...]
    honest: tuple[str, ...]
    folder_per_dataset: bool
    seeds: Annotated[tuple[Count, ...], Field(min_length=1)]
    folds: tuple[Count, ...]
    explanations: dict[Name, ExplanationConfig]
    search: dict[str, tuple[str, ...]]
    before_after: str | None


def check_overrides(words: Sequence[str]) -> None:
    """Refuse overrides that the plan of a reproduction decides on, and words that are none, by a ``UserError``."""
    check_words(words)
    for word in words:
        if key_of(word) in OWN_KEYS:
            raise UserError(f"{word}: reproduce.py decides on {key_of(word)}; see --seeds, --folds and --honest")


def load_reproduction(paper: str) -> ReproductionConfig:
    """Read the file of a paper, such as "004"; a ``UserError`` says that there is none, or what is wrong in it."""
    path = FOLDER / f"{paper}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in FOLDER.glob("*.yaml")))
        raise UserError(f"there is no paper {paper}: choose from {known}")
    return validated(ReproductionConfig, section_defaults(f"reproduction/{paper}"))
