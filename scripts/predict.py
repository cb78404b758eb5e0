"""``python scripts/predict.py --help`` explains it; the code is in karyocyte/commands/predict.py."""

from karyocyte.commands.predict import app

if __name__ == "__main__":
    app()
