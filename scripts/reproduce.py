"""``python scripts/reproduce.py --help`` explains it; the code is in reproduction/commands/reproduce.py."""

from reproduction.commands.reproduce import app

if __name__ == "__main__":
    app()
