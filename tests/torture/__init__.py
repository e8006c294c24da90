"""Small commands killed, and failed by the system, at each of their calls: `make torture`."""
