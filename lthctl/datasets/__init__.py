"""Datasets: fetched, verified, split, and held as arrays in memory."""
