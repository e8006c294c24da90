"""What is kept on disk: tickets, runs, and finished trainings."""
