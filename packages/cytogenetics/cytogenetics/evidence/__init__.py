"""How right the karyotypes of kept cells are, and the tables that follow."""
