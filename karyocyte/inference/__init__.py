"""Trained models that predict new images: runs, ensembles and exports."""
