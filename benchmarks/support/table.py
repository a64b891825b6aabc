"""Figures as a table."""

from rich.console import Console
from rich.table import Table

_console = Console(highlight=False, width=120)


def show(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a table."""
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    _console.print(table)
