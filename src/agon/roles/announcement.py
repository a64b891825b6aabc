"""What a person at the terminal is told once Agon is up."""

from urllib.parse import urlencode

from rich.console import Console

from agon.platform.settings.values import Environment
from agon.roles.site import Site


async def announce(site: Site, port: int) -> None:
    """Print the address and, in development, a link with which the first administrator is made."""
    host = site.settings.http.host
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{port}"
    console = Console(highlight=False)
    console.print(f"Agon {site.version} is ready at {address} (API documentation: {address}/docs)", soft_wrap=True)
    if site.settings.environment is Environment.DEVELOPMENT:
        token = await site.database.transact(site.accounts.setup.issue_token)
        if token is not None:
            link = f"{address}/setup?{urlencode({'token': token})}"
            console.print(f"Make the first administrator (good once, for an hour): {link}", soft_wrap=True)
