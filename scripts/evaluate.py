"""``python scripts/evaluate.py --help`` explains it; the code is in karyocyte/commands/evaluate.py."""

from karyocyte.commands.evaluate import app

if __name__ == "__main__":
    app()
