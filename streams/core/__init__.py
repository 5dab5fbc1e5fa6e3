"""The fold of a partition's log: pure, so the same in every replay."""
