"""The classes of another data set in the words of a run: ``blast_1=all``."""

from collections.abc import Mapping, Sequence

from common.errors import UserError

FLAG = "--map"


def parse_map(pairs: Sequence[str]) -> dict[str, str | None]:
    """Read what a user typed behind ``--map``.

    Args:
        pairs: Such as "blast_1=all"; "platelet=" leaves a class out.

    Returns:
        The run's class of each class that is named; None of one that is left out.

    Raises:
        UserError: There is no "=" or there are several, no class precedes it, or a class is named twice.
    """
    found: dict[str, str | None] = {}
    for pair in pairs:
        theirs, equals, ours = pair.partition("=")
        if not theirs or not equals or "=" in ours:
            raise UserError(
                f"{FLAG} {pair}: write <class of the other set>=<class of the run>, or <class>= to leave out"
            )
        if theirs in found:
            raise UserError(f"{FLAG} {pair}: {theirs} is named twice: say once what it is")
        found[theirs] = ours or None
    return found


def map_classes(theirs: Sequence[str], ours: Sequence[str], said: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return the run's class of each class of another set; several may become one.

    Args:
        theirs: The classes that the other set has images of.
        ours: The run's.
        said: What ``parse_map`` read; classes that are not named there go by their own name.

    Returns:
        One entry per class of ``theirs``: a class of ``ours``, or None where its images are left out.

    Raises:
        UserError: ``said`` names a class that one of the two does not have, a class has no counterpart, or all are
            left out.
    """
    unknown = [name for name in said if name not in theirs]
    if unknown:
        raise UserError(f"{FLAG} {unknown[0]}=...: the other set has no such class; it has {_listed(theirs)}")
    wrong = [(name, own) for name, own in said.items() if own is not None and own not in ours]
    if wrong:
        name, own = wrong[0]
        raise UserError(f"{FLAG} {name}={own}: the run has no class {own}; it has {_listed(ours)}")
    lost = [name for name in theirs if name not in said and name not in ours]
    if lost:
        remedy = f"say what each is, {FLAG} {lost[0]}={ours[0]}, or leave it out, {FLAG} {lost[0]}="
        raise UserError(f"the run has no class {_listed(lost)}, it has {_listed(ours)}: {remedy}")
    mapped = {name: said.get(name, name) for name in theirs}
    if theirs and not any(mapped.values()):
        raise UserError(f"{FLAG} leaves out every class of the other set: map at least one of {_listed(theirs)}")
    return mapped


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
