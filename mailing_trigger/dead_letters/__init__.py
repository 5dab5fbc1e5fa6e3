"""Events that could not be processed: looking at them, and putting them into the log again."""
