"""What changes rows, all inside one transaction."""
