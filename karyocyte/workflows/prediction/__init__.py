"""The prediction of new images by runs or an export."""
