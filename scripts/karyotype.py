"""``python scripts/karyotype.py --help`` explains it; the code is in karyocyte/commands/karyotype.py."""

from karyocyte.commands.karyotype import app

if __name__ == "__main__":
    app()
