"""The worker's shipped code under a broker, a clock and threads that one schedule decides about."""
