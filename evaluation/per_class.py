"""Class by class: how many are found, and what the others are taken for."""

import numpy as np


def per_class(classes: list[str], confusion: list[list[int]], assigned: list[list[int]] | None) -> list[dict]:
    """Read a row per class off confusion matrices.

    Args:
        classes: The K class names.
        confusion: Most probable classes, shape (K, K), rows the truth.
        assigned: The same of cells placed jointly, None where there are none.

    Returns:
        Mappings of ``class``, ``images``, ``recall`` (0 to 1), ``mistaken_for`` (the most frequent wrong class), and
        both again ``_assigned``. None where there is no image, nothing wrong, or no cells.
    """
    matrices = {"": np.array(confusion), "_assigned": None if assigned is None else np.array(assigned)}
    rows = []
    for index, name in enumerate(classes):
        row = {"class": name, "images": int(matrices[""][index].sum())}
        for suffix, matrix in matrices.items():
            recall, wrong = (None, None) if matrix is None else _recall_and_wrong(matrix[index], index)
            row |= {f"recall{suffix}": recall, f"mistaken_for{suffix}": None if wrong is None else classes[wrong]}
        rows.append(row)
    return rows


def _recall_and_wrong(counts: np.ndarray, index: int) -> tuple[float | None, int | None]:
    """Recall and the most frequent wrong class from one row of a confusion matrix, shape (K,)."""
    if not counts.sum():
        return None, None
    wrong = counts.copy()
    wrong[index] = 0
    return float(counts[index] / counts.sum()), int(wrong.argmax()) if wrong.any() else None
