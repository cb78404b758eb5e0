"""Speed beside the best alternatives; a topic is a module with a function ``cases``."""
