"""Runs compared and judged, as tables, figures and a page. Never trains."""
