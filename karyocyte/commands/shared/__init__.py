"""What several command lines share, and commands too long for one."""
