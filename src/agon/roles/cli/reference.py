"""Commands that print what Agon declares: settings, errors, metrics, the API."""

import sys
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from agon.kernel.errors import ERRORS
from agon.platform.settings import describe
from agon.roles.cli.invocation import settings_from

_console = Console(highlight=False)
Markdown = Annotated[bool, Parameter(help="As the page in docs/reference.", negative="")]


def settings(*, markdown: Markdown = False) -> None:
    """List every setting, with the values in force and where they come from."""
    if markdown:
        sys.stdout.write(describe.as_markdown())
        return
    table = Table("setting", "value", "from")
    for path, shown in describe.public_dump(settings_from()).items():
        table.add_row(path, str(shown.value), shown.origin)
    _console.print(table)


def openapi() -> None:
    """Print the description of the API (OpenAPI 3.1)."""
    from agon.platform.http.openapi.describe import as_json
    from agon.roles.api import described

    sys.stdout.buffer.write(as_json(described()))


def errors(*, markdown: Markdown = False) -> None:
    """List every error code with its HTTP status."""
    from agon.platform.http.documentation.catalogue import as_markdown
    from agon.platform.http.problems import STATUS
    from agon.roles.api import routes

    routes()
    if markdown:
        sys.stdout.write(as_markdown())
        return
    table = Table("code", "status", "meaning")
    for code, error in sorted(ERRORS.items()):
        table.add_row(code, str(STATUS[error.refusal].value), error.title)
    _console.print(table)


def metrics() -> None:
    """List every metric."""
    from agon.platform.observability.metrics import METRICS

    table = Table("metric", "kind", "labels", "meaning")
    for name, metric in sorted(METRICS.items()):
        table.add_row(name, metric.kind.value, ", ".join(metric.labels), metric.meaning)
    _console.print(table)
