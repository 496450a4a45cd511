"""A part of the store has tables of its own, and works in the store's transactions."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from sqlalchemy import Connection

Transaction = Callable[[], AbstractContextManager[Connection]]
"""Begins a transaction of the store; leaving it commits, and an exception undoes it."""


class Part:
    """One part of a store; every method of it raises `StoreError` when the database fails."""

    def __init__(self, reading: Transaction, writing: Transaction) -> None:
        self._reading = reading
        self._writing = writing
