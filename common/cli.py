"""What every command line of the house shares."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from common.errors import UserError

TRACEBACK_VARIABLE = "KARYOCYTE_TRACEBACK"


@contextmanager
def report_user_errors() -> Iterator[None]:
    """Print a ``UserError`` as one line on stderr and exit with code 1; also a decorator: ``@report_user_errors()``.

    With ``KARYOCYTE_TRACEBACK=1`` in the environment the error goes through, traceback and all.

    Raises:
        SystemExit: With code 1, in place of the ``UserError``.
    """
    try:
        yield
    except UserError as error:
        if os.environ.get(TRACEBACK_VARIABLE) == "1":
            raise
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from error
