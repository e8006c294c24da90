"""Models: architectures, how their weights are drawn, and what of them is prunable."""
