"""``python scripts/review.py --help`` explains it; the code is in karyocyte/commands/review.py."""

from karyocyte.commands.review import app

if __name__ == "__main__":
    app()
