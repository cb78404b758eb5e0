"""``python scripts/ensemble.py --help`` explains it; the code is in karyocyte/commands/ensemble.py."""

from karyocyte.commands.ensemble import app

if __name__ == "__main__":
    app()
