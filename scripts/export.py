"""``python scripts/export.py --help`` explains it; the code is in karyocyte/commands/export.py."""

from karyocyte.commands.export import app

if __name__ == "__main__":
    app()
