"""Training: what a training is, what it gives, and the engines that run it."""
