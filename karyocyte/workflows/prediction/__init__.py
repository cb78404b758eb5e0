"""The prediction of new images by runs or a portable model."""
