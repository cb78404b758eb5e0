"""``python scripts/measure_karyotypes.py --help`` explains it; the code is in packages/cytogenetics."""

try:
    from cytogenetics.commands.measure_karyotypes import app
except ModuleNotFoundError as error:
    raise SystemExit(f"error: there is no {error.name}: make setup, then source .venv/bin/activate") from None

if __name__ == "__main__":
    app()
