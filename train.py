"""Train and evaluate one model: ``python train.py --help`` explains it.

karyocyte/commands/train.py reads the command line, karyocyte/workflows/training/train.py trains: it makes the data
module, the model, the callbacks and the logger, and fits a stage after the other.
"""

try:
    from karyocyte.commands.train import app
except ModuleNotFoundError as error:
    raise SystemExit(f"error: there is no {error.name}: make setup, then source .venv/bin/activate") from None

if __name__ == "__main__":
    app()
