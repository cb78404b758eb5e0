"""Features of images on disk, computed by the run that needs them first and shared by all others."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from common.errors import UserError
from common.files import atomic_path, sha256_of_value
from datamodules.features.views import Views

CODES = "codes"
VALUES = "values"


class KeptFeatures(NamedTuple):
    """Features by view: ``values`` of shape (N, ...), of the views with the ascending numbers ``codes``, int64 (N,)."""

    codes: np.ndarray
    values: torch.Tensor

    def of(self, views: Views) -> torch.Tensor:
        """Return the features of views, each of which must be there."""
        places = np.searchsorted(self.codes, views.codes)
        assert np.array_equal(self.codes[places], views.codes)
        return self.values[torch.from_numpy(places)]


class FeatureStore:
    """The features that one network gives of one set of prepared images: ``<cache_dir>/features/<key>/``.

    It grows by parts, each a file that is whole or absent: a process that is killed loses the last part alone.

    Args:
        cache_dir: The cache of all runs.
        key: Hash of all that the features depend on, but for the image and its view.
    """

    def __init__(self, cache_dir: Path, key: str) -> None:
        self.folder = Path(cache_dir) / "features" / key[:16]

    def missing(self, views: Views) -> Views:
        """Return those of the views that are not there, each once, in the order of their rows.

        Raises:
            UserError: A file is damaged.
        """
        kept = [np.zeros(0, np.int64)]
        for path in self._parts():
            with _opened(path) as part:
                kept.append(part.get_tensor(CODES).numpy())
        return Views.of_codes(np.setdiff1d(views.codes, np.concatenate(kept)))

    def add(self, views: Views, values: torch.Tensor) -> None:
        """Keep the features, shape (N, ...), of N views."""
        part = {CODES: torch.from_numpy(views.codes), VALUES: values.contiguous()}
        name = sha256_of_value(views.codes.tolist())[:16]
        with atomic_path(self.folder / f"{name}.safetensors") as temporary:
            temporary.write_bytes(save(part))

    def writer(self, views: Views) -> Callable[[torch.Tensor], None]:
        """Return a function that keeps the features of the next of these views at each call."""
        done = 0

        def keep(values: torch.Tensor) -> None:
            nonlocal done
            part = slice(done, done + len(values))
            self.add(Views(views.row[part], views.view[part]), values)
            done = part.stop

        return keep

    def read(self, views: Views) -> KeptFeatures:
        """Return the features of views.

        Raises:
            UserError: Some are not there (any more).
        """
        codes = np.unique(views.codes)
        values: torch.Tensor | None = None
        is_there = np.zeros(len(codes), bool)
        for path in self._parts():
            with _opened(path) as part:
                _, wanted, places = np.intersect1d(part.get_tensor(CODES).numpy(), codes, return_indices=True)
                if not len(wanted):
                    continue
                given = part.get_tensor(VALUES)
            if values is None:
                values = given.new_empty((len(codes), *given.shape[1:]))
            values[torch.from_numpy(places)] = given[torch.from_numpy(wanted)]
            is_there[places] = True
        if values is None or not is_there.all():
            raise UserError(f"features in {self.folder} were removed while they were read: run again")
        return KeptFeatures(codes, values)

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob("[!.]*.safetensors"))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, "pt") as part:
            yield part
    except SafetensorError as error:
        raise UserError(f"{path} is damaged ({error}): remove it, and its features are computed again") from error
