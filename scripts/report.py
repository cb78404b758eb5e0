"""``python scripts/report.py --help`` explains it; the code is in karyocyte/commands/report.py."""

from karyocyte.commands.report import app

if __name__ == "__main__":
    app()
