"""The typed schema of conf/reproduction/: how the experiments of a paper are reproduced."""

from typing import Annotated

from pydantic import Field

from common.config.base import StrictModel
from common.config.ensemble import load_yaml
from common.config.explain import validated
from common.errors import UserError
from common.paths import CONF

FOLDER = CONF / "reproduction"
Count = Annotated[int, Field(ge=0)]


class ReproductionConfig(StrictModel):
    """A file of conf/reproduction/; the experiments and ensembles are those of results/claims.csv."""

    title: str
    as_paper: tuple[str, ...]
    honest: tuple[str, ...]
    folder_per_dataset: bool
    seeds: Annotated[tuple[Count, ...], Field(min_length=1)]
    folds: Annotated[tuple[Count, ...], Field(min_length=1)]
    heatmaps: tuple[str, ...]
    layers: tuple[str, ...]
    before_after: str | None


def load_reproduction(paper: str) -> ReproductionConfig:
    """Read the file of a paper, such as "004".

    Raises:
        UserError: There is none, or its keys or values are wrong.
    """
    path = FOLDER / f"{paper}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in FOLDER.glob("*.yaml")))
        raise UserError(f"there is no paper {paper}: choose from {known}")
    return validated(ReproductionConfig, load_yaml(path, (), f"reproduction/{paper}"))
