"""``python scripts/compare.py --help`` explains it; the code is in reproduction.commands.compare.py."""

from reproduction.commands.compare import app

if __name__ == "__main__":
    app()
