"""``python scripts/reproduce.py --help`` explains it; the code is in packages/reproduction."""

try:
    from reproduction.commands.reproduce import app
except ModuleNotFoundError as error:
    raise SystemExit(f"error: there is no {error.name}: make setup, then source .venv/bin/activate") from None

if __name__ == "__main__":
    app()
