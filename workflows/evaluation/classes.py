"""The classes of another data set in the words of a run, as ``--map`` says them."""

from collections.abc import Mapping, Sequence

from common.errors import UserError

FLAG = "--map"


def parse_map(pairs: Sequence[str]) -> dict[str, str | None]:
    """Read what a user typed behind ``--map``: the run's class of each named one, None of one that is left out.

    Such as "blast_1=all"; "platelet=" leaves a class out.

    Raises:
        UserError: There is no "=" or there are several, no class precedes it, or a class is named twice.
    """
    mapping: dict[str, str | None] = {}
    for pair in pairs:
        theirs, equals, ours = pair.partition("=")
        if not theirs or not equals or "=" in ours:
            raise UserError(
                f"{FLAG} {pair}: write <class of the other set>=<class of the run>, or <class>= to leave out"
            )
        if theirs in mapping:
            raise UserError(f"{FLAG} {pair}: {theirs} is named twice: say once what it is")
        mapping[theirs] = ours or None
    return mapping


def map_classes(theirs: Sequence[str], ours: Sequence[str], mapping: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return the run's class (one of ``ours``) of each class of another set (``theirs``); None: left out.

    ``mapping`` is what ``parse_map`` read; classes that are not named there go by their own name.

    Raises:
        UserError: ``mapping`` names a class that one of the two does not have, a class has no counterpart, or all are
            left out.
    """
    listed = ", ".join(theirs)
    own_listed = ", ".join(ours)
    for name, own in mapping.items():
        if name not in theirs:
            raise UserError(f"{FLAG} {name}=...: the other set has no such class; it has {listed}")
        if own is not None and own not in ours:
            raise UserError(f"{FLAG} {name}={own}: the run has no class {own}; it has {own_listed}")
    lost = [name for name in theirs if name not in mapping and name not in ours]
    if lost:
        remedy = f"say what each is, {FLAG} {lost[0]}={ours[0]}, or leave it out, {FLAG} {lost[0]}="
        raise UserError(f"the run has no class {', '.join(lost)}, it has {own_listed}: {remedy}")
    mapped = {name: mapping.get(name, name) for name in theirs}
    if theirs and not any(mapped.values()):
        raise UserError(f"{FLAG} leaves out every class of the other set: map at least one of {listed}")
    return mapped
