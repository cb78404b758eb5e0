"""``python scripts/collect.py --help`` explains it; the code is in karyocyte/commands/collect.py."""

from karyocyte.commands.collect import app

if __name__ == "__main__":
    app()
