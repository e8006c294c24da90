"""Many trainings: planned, run side by side, equal ones once, finished ones kept."""
