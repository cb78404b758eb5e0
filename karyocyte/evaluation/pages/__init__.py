"""Building blocks of HTML pages: sections of tables and drawings, and how a template becomes a page."""
