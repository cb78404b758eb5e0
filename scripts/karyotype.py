"""``python scripts/karyotype.py --help`` explains it; the code is in packages/cytogenetics."""

from cytogenetics.commands.karyotype import app

if __name__ == "__main__":
    app()
