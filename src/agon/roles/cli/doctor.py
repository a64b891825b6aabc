"""`agon doctor`."""

import sys

from rich.console import Console
from rich.table import Table

from agon.roles.cli.invocation import on_site
from agon.roles.examination import Verdict, examine

_COLOURS = {Verdict.GOOD: "green", Verdict.WORTH_A_LOOK: "yellow", Verdict.BROKEN: "red"}


def doctor() -> None:
    """Check settings, database, cache, bus, clock, disk, keys, mail and jobs; ends with 1 when something is broken."""
    found = on_site(examine)
    table = Table("", "part", "found", "what helps")
    for name, finding in found.items():
        colour = _COLOURS[finding.verdict]
        table.add_row(f"[{colour}]{finding.verdict.value}[/]", name, finding.what, finding.remedy)
    Console(highlight=False).print(table)
    if any(finding.verdict is Verdict.BROKEN for finding in found.values()):
        sys.exit(1)
