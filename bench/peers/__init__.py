"""The same job done with other means, by programs that know nothing of ours but the wire."""
