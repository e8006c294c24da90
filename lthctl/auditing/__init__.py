"""Tickets of other programs, examined: what their files prove, and what they disprove."""
