"""To be written."""


def write_page(plan, runs, steps): ...
