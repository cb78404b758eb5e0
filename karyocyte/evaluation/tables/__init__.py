"""Results as tables: on the terminal, in Markdown, HTML and CSV files."""
