"""``python scripts/explain.py --help`` explains it; the code is in karyocyte/commands/explain.py."""

from karyocyte.commands.explain import app

if __name__ == "__main__":
    app()
