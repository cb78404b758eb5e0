"""``python scripts/review.py --help`` explains it; the code is in packages/cytogenetics."""

from cytogenetics.commands.review import app

if __name__ == "__main__":
    app()
