"""Tables and figures that papers 002 and 004 print beside metrics: scripts/figures.py makes them."""
