"""What keeps a partition's recipients."""
