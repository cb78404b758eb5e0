"""The file that a challenge wants for a test set without labels: one code per line, in the order of the images."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from common.errors import UserError
from common.files import atomic_path, write_text

INNER_NAME = "isbi_valid.predict"
NAMED = 5


def parse_codes(pairs: Sequence[str], classes: Sequence[str], positive_class: str | None) -> dict[str, str]:
    """Return what is written for each class: ``pairs`` are such as "all=1"; without, 1 is that of the positive class.

    Raises:
        UserError: A pair cannot be read, a class is unknown or has no code, or two classes have the same one.
    """
    if not pairs:
        if positive_class is None:
            raise UserError(f"--codes is not said: add --codes {' '.join(f'{name}=...' for name in classes)}")
        return {name: str(int(name == positive_class)) for name in classes}
    codes = dict(pair.partition("=")[::2] for pair in pairs)
    wrong = [name for name in codes if name not in classes] + [name for name in classes if not codes.get(name)]
    if wrong or len(codes) != len(pairs) or len(set(codes.values())) != len(codes):
        wanted = " ".join(f"{name}=<code>" for name in classes)
        raise UserError(f"--codes {' '.join(pairs)}: give each class one code of its own: --codes {wanted}")
    return codes


def submission_lines(paths: Sequence[str], called: Sequence[str], codes: Mapping[str, str]) -> list[str]:
    """Return the codes in the order of the images' numbers: 2.bmp precedes 10.bmp.

    Args:
        paths: Of the images, whose names are their numbers: 1.bmp, 2.bmp, ... without a gap.
        called: The class that each is called.
        codes: What is written for each class.

    Raises:
        UserError: See ``image_numbers``.
    """
    by_number = sorted(zip(image_numbers(paths), called, strict=True))
    return [codes[name] for _, name in by_number]


def image_numbers(paths: Sequence[str]) -> list[int]:
    """Return the number of each image: 12 of final/12.bmp.

    Raises:
        UserError: A name is no number, a number comes twice, or one between 1 and the largest is missing.
    """
    numbers: list[int] = []
    for path in paths:
        stem = PurePosixPath(path).stem
        if not stem.isdecimal():
            raise UserError(f"{path}: a submission goes by the numbers of the images, 1.bmp, 2.bmp, ...: name it so")
        if int(stem) in numbers:
            raise UserError(f"{path}: there are two images of the number {int(stem)}: keep one")
        numbers.append(int(stem))
    largest = max(numbers, default=0)
    missing = sorted(set(range(1, largest + 1)) - set(numbers))
    if missing or 0 in numbers:
        few = ", ".join(map(str, missing[:NAMED])) + ", ..." * (len(missing) > NAMED)
        what = f"image {few} of 1 to {largest} is missing" if missing else "there is an image 0, the first is 1"
        raise UserError(f"{what}: every line of a submission belongs to one image, bring them all")
    return numbers


def write_submission(path: Path, lines: Sequence[str]) -> None:
    """Write one code per line, whole or not at all; a path that ends in .zip becomes the zip that is uploaded.

    Of the ISBI 2019 challenge on C-NMC (CodaLab competition 20395) it is assumed, and was seen in what several
    participants published, that it took a zip of one text file called ``isbi_valid.predict`` with a line per image in
    the order of the images' numbers, 1 for ALL and 0 for HEM. Its preliminary test has 1,867 images, its final 2,586.

    Raises:
        UserError: The file is there already.
    """
    path = Path(path)
    if path.exists():
        raise UserError(f"{path} is there already: name another --submission, or move it away")
    text = "".join(f"{line}\n" for line in lines)
    if path.suffix.lower() != ".zip":
        write_text(path, text)
        return
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(INNER_NAME, text)
