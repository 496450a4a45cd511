"""The ingest room: records from a log, a file or standard input, decoded to events; it knows the schemas only."""
