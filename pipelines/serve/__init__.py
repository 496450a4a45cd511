"""Serving shows what the line knows: pages, API and metrics, read from the status and the store alone."""
