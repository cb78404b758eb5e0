"""The members that predict new images: runs, or those of a portable model."""
