"""``python scripts/tune.py --help`` explains it; the code is in karyocyte/commands/tune.py."""

from karyocyte.commands.tune import app

if __name__ == "__main__":
    app()
