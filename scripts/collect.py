"""Names the command that collect.py has become, see karyocyte/commands/shared/moved.py."""

from karyocyte.commands.shared.moved import app

if __name__ == "__main__":
    app()
