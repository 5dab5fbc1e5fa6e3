"""Measurements: one file a scenario, the peers beside ours in the same run."""
