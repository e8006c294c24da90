"""Runs in the trackers that people look at: each has a file here, and an entry in `families`."""
