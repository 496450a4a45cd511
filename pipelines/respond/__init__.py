"""From findings to people: alerts, incidents, and messages that arrive."""
