"""``python scripts/compare.py --help`` explains it; the code is in karyocyte/commands/compare.py."""

from karyocyte.commands.compare import app

if __name__ == "__main__":
    app()
