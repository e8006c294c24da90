"""Other people's programs: tickets and runs exported, imported, and applied to their modules."""
