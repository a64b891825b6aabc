"""The switches of features as this process knows them, and how they are changed."""

import asyncio
from datetime import datetime

import msgspec

from agon.contracts.audit import AuditAction
from agon.kernel.audit import AuditEntry, Severity
from agon.kernel.constraints import refuses
from agon.kernel.errors import DomainError, FieldError, Refusal, ValidationFailed
from agon.kernel.tx import Query, ReadTx, Tx
from agon.platform.database.database import Database
from agon.platform.features.declare import FEATURES, Feature
from agon.platform.features.rules import BUCKETS, State, Switch
from agon.platform.invalidation import EVERYTHING, Listener

TAG = "features"
MOST_MEMBERS = 10_000
LONGEST_MEMBER = 200


class FeatureInvalid(ValidationFailed):
    code = "FEATURE_VALIDATION_ERROR"


class FeatureNotFound(DomainError):
    code = "FEATURE_NOT_FOUND"
    refusal = Refusal.MISSING
    title = "There is no such feature."


refuses(
    feature_switch_pkey="a second row becomes an update",
    feature_switch_state_check="a switch holds a state",
    feature_switch_percentage_check=FeatureInvalid,
)


class SwitchRow(msgspec.Struct, frozen=True):
    """A switch as it is stored."""

    name: str
    state: str
    percentage: int
    members: list[str]
    changed_at: datetime

    @property
    def switch(self) -> Switch:
        return Switch(state=State(self.state), percentage=self.percentage, members=frozenset(self.members))


class FeatureStatus(msgspec.Struct, frozen=True):
    """A feature with its switch; either may be missing: never switched, or not declared (any more)."""

    name: str
    feature: Feature | None
    switch: Switch | None
    changed_at: datetime | None


_ALL = Query(
    "features.all",
    "select name, state, percentage, members, changed_at from feature_switch order by name",
    SwitchRow,
    seq_scan="there are as many rows as features were ever switched, and all are wanted",
)
_LOCK = Query(
    "features.lock",
    "select name, state, percentage, members, changed_at from feature_switch where name = $1 for update",
    SwitchRow,
)
_PUT = Query(
    "features.put",
    """insert into feature_switch (name, state, percentage, members, changed_at) values ($1, $2, $3, $4, $5)
       on conflict (name) do update
       set state = excluded.state, percentage = excluded.percentage, members = excluded.members,
           changed_at = excluded.changed_at""",
    type(None),
)


class Features:
    """Answers from memory whether a feature is on; told of changes by the invalidation feed."""

    def __init__(self) -> None:
        self._switches: dict[str, Switch] = {}
        self._loading = asyncio.Lock()

    def enabled(self, feature: Feature, key: object = None) -> bool:
        """Whether a feature is on.

        Args:
            feature: a declared one.
            key: for whom or what: the id of an account, or the name of an endpoint.
        """
        switch = self._switches.get(feature.name)
        return feature.default if switch is None else switch.admits(feature.name, None if key is None else str(key))

    async def reload(self, database: Database) -> None:
        """Read every switch; one reload at a time, so that an older answer never replaces a newer one."""
        async with self._loading:
            rows = await database.fetch(lambda tx: tx.all(_ALL))
            self._switches = {row.name: row.switch for row in rows}

    def reload_on(self, database: Database) -> Listener:
        """What to give the invalidation feed."""

        async def heard(tags: frozenset[str]) -> None:
            if TAG in tags or tags >= EVERYTHING:
                await self.reload(database)

        return heard


async def set_switch(tx: Tx, name: str, switch: Switch, reason: str | None = None) -> None:
    """Switch a feature; in force everywhere within seconds of the commit.

    Raises:
        FeatureNotFound: no such feature is declared.
        FeatureInvalid: the percentage or the list is not one.
    """
    if name not in FEATURES:
        raise FeatureNotFound
    if problems := _problems(switch):
        raise FeatureInvalid(errors=tuple(problems))
    before = await tx.one(_LOCK, name)
    await tx.execute(_PUT, name, switch.state.value, switch.percentage, sorted(switch.members), tx.now)
    tx.invalidate(TAG)
    tx.audit(
        AuditEntry(
            action=AuditAction.FEATURE_CHANGE,
            target_type="feature",
            target_id=name,
            before=None if before is None else _shown(before.switch),
            after=_shown(switch),
            reason=reason,
            severity=Severity.MEDIUM,
        )
    )


async def list_features(tx: ReadTx) -> list[FeatureStatus]:
    """Every feature that is declared or was switched, by name."""
    rows = {row.name: row for row in await tx.all(_ALL)}
    found: list[FeatureStatus] = []
    for name in sorted(FEATURES.keys() | rows.keys()):
        row = rows.get(name)
        switch, changed_at = (None, None) if row is None else (row.switch, row.changed_at)
        found.append(FeatureStatus(name, FEATURES.get(name), switch, changed_at))
    return found


def _problems(switch: Switch) -> list[FieldError]:
    problems: list[FieldError] = []
    if not 0 <= switch.percentage <= BUCKETS:
        problems.append(FieldError("percentage", "out_of_range", "A percentage is a number from 0 to 100."))
    if switch.state is State.LIST and not switch.members:
        problems.append(FieldError("members", "required", "Name at least one member."))
    if len(switch.members) > MOST_MEMBERS:
        problems.append(FieldError("members", "too_many", f"A list has at most {MOST_MEMBERS} members."))
    if any(not member or len(member) > LONGEST_MEMBER for member in switch.members):
        problems.append(FieldError("members", "invalid", f"A member is a text of 1 to {LONGEST_MEMBER} characters."))
    return problems


def _shown(switch: Switch) -> dict[str, object]:
    shown: dict[str, object] = {"state": switch.state.value}
    if switch.state is State.PERCENTAGE:
        shown["percentage"] = switch.percentage
    if switch.state is State.LIST:
        shown["members"] = sorted(switch.members)
    return shown
