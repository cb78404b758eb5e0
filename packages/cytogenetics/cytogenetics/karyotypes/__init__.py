"""How karyotypes are written, and above what a cell is referred."""
