"""``python scripts/sweep_status.py --help`` explains it; the code is in karyocyte/commands/sweep_status.py."""

from karyocyte.commands.sweep_status import app

if __name__ == "__main__":
    app()
