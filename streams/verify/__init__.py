"""Checking the processor from outside: the log is read once more, by rules written apart."""
