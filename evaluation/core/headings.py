"""How results say where they come from: the same words above every figure and table."""


def heading(about: dict) -> str:
    """Name run, protocol and fold; say SYNTHETIC where the images were drawn.

    Args:
        about: The facts of a run, or of several pooled (lists where they differ); what is absent is left out.
    """
    parts = [_short(_several(about.get("name"))) or "unnamed run"]
    if about.get("synthetic"):
        parts.append("SYNTHETIC images")
    elif about.get("source"):
        parts.append(f"trained on {_several(about['source'])}" if about.get("on") else _several(about["source"]))
    if about.get("on"):  # another data set than the run's
        parts.append(f"tested on {_several(about['on'])}")
    if about.get("protocol"):
        parts.append(f"protocol {_several(about['protocol'])}")
    if about.get("test") not in (None, "fold"):
        parts.append(f"tested on {_several(about['test'])}")
    if about.get("fold") is not None:
        parts.append(_fold(about["fold"], about.get("folds")))
    return " · ".join(parts)


def _short(name: str) -> str:
    """Name the first member of a large ensemble only: no picture is as wide as eleven names."""
    kind, _, members = name.partition(": ")
    first, *others = members.split(", ")
    if len(others) > 1:
        return f"{kind}: {first} and {len(others)} more"
    return name


def _several(value: object) -> str:
    if isinstance(value, list):
        values = value
    else:
        values = [value]
    return ", ".join(str(one) for one in values if one is not None)


def _fold(fold: int | list[int], folds: int | None) -> str:
    if isinstance(fold, list) and len(fold) > 1:
        word = "folds"
    else:
        word = "fold"
    return f"{word} {_several(fold)}" + (f" of {folds}" if isinstance(folds, int) else "")
