"""The command: settings, everything started together, checks. Imports all, imported by none."""
