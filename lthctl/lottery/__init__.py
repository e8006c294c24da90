"""The lottery ticket experiment: train, prune, rewind; and retraining with its controls."""
