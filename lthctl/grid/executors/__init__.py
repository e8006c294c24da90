"""Where trainings run: threads of this process, or processes of their own."""
