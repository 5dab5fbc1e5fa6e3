"""The HTTP bridge: calls of HTTP become events of the log, and their answers answers."""
