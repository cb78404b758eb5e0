"""What every part of this package needs: processes, checkpoints, versions of libraries."""
