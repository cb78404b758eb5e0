"""``python scripts/reproduce.py --help`` explains it; the code is in karyocyte/commands/reproduce.py."""

from karyocyte.commands.reproduce import app

if __name__ == "__main__":
    app()
