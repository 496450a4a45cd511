"""What all generated pages share: the sentence that says where they come from, and tables of Markdown."""  # noqa: INP001 - a script of the documentation, no package

from collections.abc import Iterable


def generated(source: str) -> str:
    """Give the sentence that says where a page comes from."""
    return f"This page is generated from {source} by `make docs`; change it there.\n"


def table(head: tuple[str, ...], lines: Iterable[tuple[str, ...]]) -> str:
    """Give a table of Markdown; a bar inside a cell is escaped."""
    rule = ("---",) * len(head)
    return "".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in (head, rule, *lines))
