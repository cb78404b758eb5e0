"""Two homologues aligned row by row without learning, by dynamic time warping of their bands."""

from typing import NamedTuple

import torch
import torch.nn.functional as F

STEP = 2  # rows of the image from one aligned row to the next
WINDOW = 9  # rows of the image that are correlated to align two chromosomes,
LONG_WINDOW = 17  # and to find inversions
COLUMNS = 4  # across a chromosome, of which the rows of a window are made
EDGE = 4  # columns of the image on either side that are left out
CONTRAST = 0.03  # gray value, 0 to 1: windows of less contrast hardly correlate
SKIP = 0.25  # cost of a row without a partner, beside that of its difference
OUTSIDE = 2.0  # cost of a row of one chromosome on the ground beside the other
GROUND = 0.02  # gray value up to which a pixel is ground
HALVES = (3, 4, 6, 8, 11, 14)  # half the lengths of the inversions that are looked for, in aligned rows
FACTS = 5


class Alignment(NamedTuple):
    """How each of two chromosomes compares with the other one, row by row; float32.

    Attributes:
        warped: The other chromosome with its rows where the bands of this one are, shape (B, 2, H, W).
        facts: Of every aligned row, shape (B, 2, H / STEP, FACTS): correlation with its partner (-1 to 1); how much
            better a stretch around it fits turned round; where its partner is, and how fast that moves, both relative
            to no change; whether it is on the chromosome.
        inversions: Of every aligned row, see `inversion_scores`, shape (B, 2, H / STEP, len(HALVES)).
    """

    warped: torch.Tensor
    facts: torch.Tensor
    inversions: torch.Tensor


@torch.no_grad()
def align(image: torch.Tensor) -> Alignment:
    """Align two chromosomes.

    Args:
        image: Both, straightened, in [0, 1] on black, float, shape (B, 2, H, W); H a multiple of STEP.
    """
    with torch.autocast(image.device.type, enabled=False):
        image = image.float()
        same, _ = correlations(image, WINDOW)
        inside = (image.amax(3) > GROUND)[:, :, ::STEP].float()
        beside = inside[:, 0, :, None] != inside[:, 1, None, :]
        path = warping_path(1 - same + OUTSIDE * beside)
        partner = path.round().long()
        fit = _at_partner(same, partner) * inside
        long, turned = correlations(image, LONG_WINDOW)
        inversions = inversion_scores(_at_partner(long, partner), turned, partner, inside > 0)
        moved = (path - torch.arange(path.shape[2], device=path.device)) / 10 * inside
        speed = F.pad((path[:, :, 2:] - path[:, :, :-2]) / 2 - 1, (1, 1)).clamp(-2, 2) * inside
        facts = torch.stack([fit, inversions.amax(3), moved, speed, inside], dim=3)
        return Alignment(warped_rows(image.flip(1), path), facts, inversions)


def correlations(image: torch.Tensor, window: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Correlate windows of the first chromosome with those of the second, as they are and turned upside down.

    Args:
        image: As for `align`.
        window: Their rows, an odd number.

    Returns:
        Two of shape (B, R, R), R = H / STEP, -1 to 1: rows of the first chromosome by rows of the second.
    """
    height, width = image.shape[2:]
    rows = F.adaptive_avg_pool2d(image[..., EDGE : width - EDGE], (height, COLUMNS))
    windows = F.pad(rows, (0, 0, window // 2, window // 2)).unfold(2, window, 1)[:, :, ::STEP]
    windows = windows - windows.mean((3, 4), keepdim=True)
    windows = windows / (windows.square().mean((3, 4), keepdim=True).sqrt() + CONTRAST)
    first = windows[:, 0].flatten(2)
    second = (windows[:, 1].flatten(2), windows[:, 1].flip(3).flatten(2))
    as_is, turned = (first @ each.transpose(1, 2) / (COLUMNS * window) for each in second)
    return as_is, turned


def _at_partner(values: torch.Tensor, partner: torch.Tensor) -> torch.Tensor:
    """Return the values, (B, R, R) by rows of both chromosomes, of each row and its partner, both (B, 2, R)."""
    of_both = torch.stack([values, values.transpose(1, 2)], dim=1)
    return of_both.gather(3, partner[..., None])[..., 0]


def warping_path(cost: torch.Tensor) -> torch.Tensor:
    """Find the cheapest alignment of two sequences (dynamic time warping: Sakoe and Chiba, IEEE TASSP, 1978).

    A row that shares its partner with the one before costs SKIP beside its difference.

    Args:
        cost: Of aligning rows of the first with rows of the second, float32, shape (B, R, R).

    Returns:
        The partner of each row of the first, and of each of the second, float32, shape (B, 2, R): the mean of several.
    """
    moves = _cheapest_moves(cost)
    batch, diagonals, rows = moves.shape
    number = torch.arange(batch, device=cost.device)
    first = torch.full_like(number, rows - 1)
    diagonal = torch.full_like(number, diagonals - 1)
    total = torch.zeros(batch, 2, rows, device=cost.device)
    count = torch.zeros_like(total)
    for _ in range(diagonals):
        there = (diagonal >= 0).float()
        at = (first.clamp(min=0), (diagonal - first).clamp(min=0))
        for side in (0, 1):
            total[number, side, at[side]] += there * at[1 - side]
            count[number, side, at[side]] += there
        move = moves[number, diagonal.clamp(min=0), at[0]]
        first = first - (move != 2).long()
        diagonal = diagonal - 1 - (move == 0).long()
    return total / count


def _cheapest_moves(cost: torch.Tensor) -> torch.Tensor:
    """Return by which move the cheapest path comes to each pair: 0 both rows, 1 the first's, 2 the second's.

    Pairs of one diagonal, whose rows have the same sum, do not depend on each other: uint8, shape (B, 2 R - 1, R), by
    diagonal and row of the first.
    """
    batch, rows, _ = cost.shape
    first = torch.arange(rows, device=cost.device)
    second = torch.arange(2 * rows - 1, device=cost.device)[:, None] - first
    exists = (second >= 0) & (second < rows)
    cost = torch.where(exists, cost[:, first, second.clamp(0, rows - 1)], torch.inf)
    moves = torch.zeros(cost.shape, dtype=torch.uint8, device=cost.device)
    infinite = torch.full((batch, 1), torch.inf, device=cost.device)
    before = torch.full((batch, rows), torch.inf, device=cost.device)
    last = cost[:, 0]
    for diagonal in range(1, 2 * rows - 1):
        here = cost[:, diagonal]
        both = torch.cat([infinite, before[:, :-1]], dim=1) + here
        of_first = torch.cat([infinite, last[:, :-1]], dim=1) + here + SKIP
        of_second = last + here + SKIP
        before = last
        last, moves[:, diagonal] = torch.stack([both, of_first, of_second]).min(0)
    return moves


def inversion_scores(
    fit: torch.Tensor, turned: torch.Tensor, partner: torch.Tensor, inside: torch.Tensor
) -> torch.Tensor:
    """Score how much better a stretch of a chromosome fits its partner turned round than as it is.

    A stretch of length 2 h + 1 with mean correlations t turned round and s as it is has the score (t - s) sqrt(h).

    Args:
        fit: Correlation of each row with its partner, float32, shape (B, 2, R).
        turned: Those of rows of the first with windows of the second turned round, shape (B, R, R).
        partner: Of each row, int64, shape (B, 2, R).
        inside: Whether a row is on the chromosome, bool, shape (B, 2, R).

    Returns:
        For each row the best stretch of each of HALVES that it is in, float32, shape (B, 2, R, len(HALVES)); -1 where
        there is none.
    """
    rows = fit.shape[2]
    turned = torch.stack([turned, turned.transpose(1, 2)], dim=1)
    best = torch.full((*fit.shape, len(HALVES)), -1.0, device=fit.device)
    for number, half in enumerate(HALVES):
        if rows <= 2 * half:
            break
        middle = torch.arange(half, rows - half, device=fit.device)
        row = middle[:, None] + torch.arange(-half, half + 1, device=fit.device)
        opposite = row * rows + partner[:, :, row].flip(3)
        as_turned = torch.unflatten(turned.flatten(2).gather(2, opposite.flatten(2)), 2, row.shape).mean(3)
        score = (as_turned - fit[:, :, row].mean(3)) * half**0.5
        score = torch.where(inside[:, :, row].all(3), score, -1.0)
        everywhere = F.pad(score, (half, half), value=-1.0)
        best[..., number] = F.max_pool1d(everywhere, 2 * half + 1, stride=1, padding=half)
    return best


def warped_rows(image: torch.Tensor, path: torch.Tensor) -> torch.Tensor:
    """Return rows (B, 2, H, W) of images of the same shape, at the aligned rows ``path``, (B, 2, H / STEP)."""
    height, width = image.shape[2:]
    row = F.interpolate(path * STEP + (STEP - 1) / 2, size=height, mode="linear")
    above = row.floor().clamp(0, height - 1)
    weight = (row - above).clamp(0, 1)[..., None]
    upper, lower = (
        image.gather(2, each.long().clamp(max=height - 1)[..., None].expand(-1, -1, -1, width))
        for each in (above, above + 1)
    )
    return upper * (1 - weight) + lower * weight
