"""``python scripts/error_analysis.py --help`` explains it; the code is in karyocyte/commands/error_analysis.py."""

from karyocyte.commands.error_analysis import app

if __name__ == "__main__":
    app()
