"""What the public data sets hold when they are whole, and where they can be had."""

HOMES = {
    "cnmc": "doi 10.7937/tcia.2019.dc64i46r (The Cancer Imaging Archive, C-NMC 2019)",
    "hem_all": "doi 10.7937/tcia.2019.dc64i46r (The Cancer Imaging Archive, C-NMC 2019)",
    "mnist": "the mirrors that torchvision.datasets.MNIST names, or data.download=true",
    "cifar10": "www.cs.toronto.edu/~kriz/cifar.html (the Python version), or data.download=true",
}


def completeness(counts: dict[str, int], published: dict[str, int]) -> tuple[str, ...]:
    """Return a sentence for each part of a data set: complete, or how much of it there is.

    Args:
        counts: How many images each part has here.
        published: How many each part has in the whole set.
    """
    return tuple(_sentence(part, counts.get(part, 0), whole) for part, whole in published.items())


def is_incomplete(note: str) -> bool:
    """Tell whether a source's note says that something of the published set is missing, or does not belong to it."""
    return note.startswith(("partial:", "not the published set:"))


def _sentence(part: str, count: int, whole: int) -> str:
    if count == whole:
        return f"complete: {whole:,} {part} images"
    return f"{'partial' if count < whole else 'not the published set'}: {count:,} of {whole:,} {part} images"
