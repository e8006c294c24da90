"""The sparse engine: MLPs on a CPU, at the cost of the weights that are left."""
