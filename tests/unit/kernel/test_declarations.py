"""Errors, events, jobs, queries and constraints are declared once, under one name."""

import uuid

import msgspec
import pytest

from agon.kernel import constraints
from agon.kernel.errors import ERRORS, DomainError, Refusal
from agon.kernel.events import EVENTS, JOBS, Event, Job
from agon.kernel.tx import QUERIES, Query


class LanternBroken(DomainError):
    code = "LANTERN_BROKEN"
    refusal = Refusal.CONFLICT
    title = "The lantern is broken."


class LanternHung(Event, frozen=True, kw_only=True):
    type = "lantern.hung"
    about = "lantern_id"
    lantern_id: uuid.UUID


class HangLantern(Job, frozen=True, kw_only=True):
    name = "lantern.hang"
    lantern_id: uuid.UUID


def test_declaring_is_registering():
    assert ERRORS["LANTERN_BROKEN"] is LanternBroken
    assert EVENTS["lantern.hung"] is LanternHung
    assert JOBS["lantern.hang"] is HangLantern


def test_an_error_says_what_its_class_says_unless_told_more():
    assert LanternBroken().detail == "The lantern is broken."
    told = LanternBroken("It fell.", data={"height": 3}, retry_after=2)
    assert (told.detail, told.data, told.retry_after) == ("It fell.", {"height": 3}, 2)


def test_an_event_knows_what_it_is_about_and_survives_storing():
    lantern = uuid.uuid4()
    event = LanternHung(lantern_id=lantern)
    assert event.subject == f"lantern:{lantern}"
    assert msgspec.json.decode(msgspec.json.encode(event), type=LanternHung) == event


def test_one_name_cannot_mean_two_things():
    with pytest.raises(TypeError, match="LANTERN_BROKEN"):
        type("Other", (DomainError,), {"code": "LANTERN_BROKEN", "refusal": Refusal.GONE, "title": "."})
    with pytest.raises(TypeError, match=r"lantern\.hung"):
        type("Other", (Event,), {"type": "lantern.hung", "about": "x", "__annotations__": {"x": int}})
    with pytest.raises(TypeError, match=r"lantern\.hang"):
        type("Other", (Job,), {"name": "lantern.hang"})
    Query("lantern.one", "select 1", int)
    with pytest.raises(TypeError, match=r"lantern\.one"):
        Query("lantern.one", "select 2", int)
    constraints.refuses(lantern_key=LanternBroken)
    with pytest.raises(TypeError, match="lantern_key"):
        constraints.refuses(lantern_key="never")


def test_rows_are_built_by_position():
    class Pair(msgspec.Struct):
        left: int
        right: str

    assert Query("lantern.pair", "select 1, 'a'", Pair).build((1, "a")) == Pair(1, "a")
    assert QUERIES["lantern.one"].build((7,)) == 7
