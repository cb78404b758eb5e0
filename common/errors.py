"""The one exception that speaks to the user."""


class UserError(Exception):
    """A mistake that the user can mend: one line that names the file, key or value, and the way out.

    ``train.py`` and the scripts print it without a traceback and exit with code 1.
    """


class RepeatedError(UserError):
    """A mistake that another process of the same run has met, and tells: this one ends as well, and prints nothing."""
