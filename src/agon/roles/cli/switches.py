"""The commands of `agon feature`."""

from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from agon.platform.features.rules import State, Switch
from agon.platform.features.switches import FeatureStatus, set_switch
from agon.platform.features.switches import list_features as read_features
from agon.roles.cli.invocation import on_site
from agon.roles.site import Site

_console = Console(highlight=False)


def list_features() -> None:
    """List every feature that can be switched, and how it stands."""

    async def work(site: Site) -> list[FeatureStatus]:
        return await site.database.fetch(read_features)

    table = Table("feature", "state", "owner", "what it does", "before it is turned on for more")
    for each in on_site(work):
        declared, switch = each.feature, each.switch
        default = "-" if declared is None else f"{'on' if declared.default else 'off'} (default)"
        table.add_row(
            each.name,
            default if switch is None else switch.state.value,
            "not declared by this version" if declared is None else declared.owner,
            "" if declared is None else declared.description,
            "" if declared is None else declared.gate,
        )
    _console.print(table)


def set_feature(
    name: str,
    state: State,
    *,
    percentage: Annotated[int, Parameter(help="For `percentage`: of accounts, 0 to 100.")] = 0,
    member: Annotated[list[str] | None, Parameter(help="For `list`: an account or endpoint; may be repeated.")] = None,
    reason: Annotated[str | None, Parameter(help="Why, for the audit log.")] = None,
) -> None:
    """Switch a feature; in force everywhere within seconds."""
    switch = Switch(state=state, percentage=percentage, members=frozenset(member or ()))

    async def work(site: Site) -> None:
        await site.database.transact(lambda tx: set_switch(tx, name, switch, reason))

    on_site(work)
    _console.print(f"{name} is {state.value}.")
