"""Experiments to begin with: the files that `lthctl init` writes, and the function that does it."""
