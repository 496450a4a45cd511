"""The line: bytes come in, one pages a human when behaviour changes; each room of it is a package."""
