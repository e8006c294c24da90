"""What can be proven of tickets and runs from their files, and by training again."""
