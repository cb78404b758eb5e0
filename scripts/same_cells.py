"""``python scripts/same_cells.py --help`` explains it; the code is in karyocyte/commands/same_cells.py."""

from karyocyte.commands.same_cells import app

if __name__ == "__main__":
    app()
