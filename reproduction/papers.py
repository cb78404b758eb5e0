"""The reader of papers.yaml: how the experiments of each paper are reproduced."""

from pathlib import Path

import yaml

from karyocyte.common.errors import UserError
from karyocyte.config.base import Count, Name, StrictModel
from karyocyte.config.explain import validated

PAPERS = Path(__file__).with_name("papers.yaml")


class StepConfig(StrictModel):
    """A step that a paper has of its own."""

    of: tuple[str, ...]
    words: tuple[str, ...]
    makes: str
    on_each_split: bool = False


class PaperConfig(StrictModel):
    """A section of papers.yaml, which explains the keys."""

    title: str
    as_paper: tuple[str, ...]
    honest: tuple[str, ...]
    seeds: tuple[Count, ...] = (0,)
    folds: tuple[Count, ...] = (0,)
    folder_per_dataset: bool = False
    steps: dict[Name, StepConfig] = {}


def read_paper(paper: str) -> PaperConfig:
    """Read the settings of a paper, such as "004"; a ``UserError`` says that there is none, or what is wrong."""
    papers = yaml.safe_load(PAPERS.read_text(encoding="utf-8"))
    if paper not in papers:
        raise UserError(f"there is no paper {paper}: choose from {', '.join(papers)}")
    return validated(PaperConfig, papers[paper])
