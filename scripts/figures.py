"""``python scripts/figures.py --help`` explains it; the code is in reproduction/commands/figures.py."""

from reproduction.commands.figures import app

if __name__ == "__main__":
    app()
