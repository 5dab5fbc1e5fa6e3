"""The processor: a pure fold, the worker that runs it, and a broker to run it on."""
