"""Tests of lthctl."""

import os

# As many tests run as there are cores. A test whose torch takes them all waits for the others.
os.environ.setdefault("OMP_NUM_THREADS", "1")
