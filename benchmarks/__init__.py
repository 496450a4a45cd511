"""Measurements that are run by hand: each is one command, seeded, and says what it was measured on."""
