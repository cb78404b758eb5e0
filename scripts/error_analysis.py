"""Names the command that error_analysis.py has become, see karyocyte/commands/shared/moved.py."""

from karyocyte.commands.shared.moved import app

if __name__ == "__main__":
    app()
