"""The worker process: fetches, folds, ships; takes partitions over and gives them up."""
