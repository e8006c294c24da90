"""A file a command: its options, one call, and what is shown of the result."""
