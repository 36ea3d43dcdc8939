"""What changes rows, inside one transaction; and what is read of dumps, owed work, kept replies and kept vectors."""
