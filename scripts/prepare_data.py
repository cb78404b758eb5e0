"""``python scripts/prepare_data.py --help`` explains it; the code is in karyocyte/commands/prepare_data.py."""

from karyocyte.commands.prepare_data import app

if __name__ == "__main__":
    app()
