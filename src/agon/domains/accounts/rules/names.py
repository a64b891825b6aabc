"""E-mail addresses, usernames and display names: which are taken as they are, and how usernames are derived."""

import random
import re
import unicodedata
from collections.abc import Iterator

from agon.kernel.errors import FieldError

LONGEST_EMAIL = 254
SHORTEST_USERNAME = 3
LONGEST_USERNAME = 30
SHORTEST_DISPLAY_NAME = 3
LONGEST_DISPLAY_NAME = 50

_EMAIL = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@"
    r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+"
)
"""A valid e-mail address of the HTML standard, with at least two labels in its domain; ASCII, so no look-alikes."""
_USERNAME = re.compile(r"[A-Za-z0-9_]{3,30}")
_NOT_IN_USERNAMES = re.compile(r"[^A-Za-z0-9_]+")
_JOINERS = frozenset("\u200c\u200d")
"""Invisible, and needed to write Bengali and Persian."""

_RESERVED = """
    about account accounts admin administrator agon anonymous api auth battle battles certificate contact dashboard
    deleted demo docs everyone feed game games guest health help here home leaderboard leaderboards legal login logout
    mail match matches me media metrics mod moderator news nobody notifications null official organizer owner parties
    player players privacy profile profiles queue register root rules search season security service settings setup
    shop signin signup sitemap staff static status store superuser support system team teams terms tournament
    tournaments undefined unknown user users verify wallet webmaster well_known www
"""
RESERVED = frozenset(_RESERVED.split())
"""Usernames that nobody gets: they read like staff, or like a page of the site."""

_FALLBACK = "newcomer"
"""What a username begins with where the display name has no letter for it."""
_NUMBERED = 8
"""How many numbered usernames are offered after the plain one."""


def email_errors(email: str) -> tuple[FieldError, ...]:
    if len(email) > LONGEST_EMAIL or not _EMAIL.fullmatch(email):
        return (FieldError("email", "invalid", "It is not an e-mail address."),)
    return ()


def username_errors(username: str) -> tuple[FieldError, ...]:
    if not _USERNAME.fullmatch(username):
        return (FieldError("username", "invalid", "It has 3 to 30 letters of A to Z, digits and underscores."),)
    if is_reserved(username):
        return (FieldError("username", "reserved", "This username is kept free."),)
    return ()


def is_reserved(username: str) -> bool:
    """Whether nobody gets this username, however it is decorated: `Admin`, `_admin_`, `admin1`."""
    bare = username.lower().strip("_0123456789")
    return bare in RESERVED or bare.replace("_", "") in RESERVED


def tidy_display_name(name: str) -> str:
    """A display name as it is kept: NFC, without space around it and with single spaces inside."""
    return " ".join(part for part in unicodedata.normalize("NFC", name).split(" ") if part)


def display_name_errors(name: str) -> tuple[FieldError, ...]:
    """What is wrong with a tidy display name."""
    if not SHORTEST_DISPLAY_NAME <= len(name) <= LONGEST_DISPLAY_NAME:
        return (FieldError("display_name", "length", "It has 3 to 50 characters."),)
    kinds = [unicodedata.category(each)[0] for each in name if each not in _JOINERS and each != " "]
    if any(kind in "CZ" for kind in kinds) or all(kind == "M" for kind in kinds):
        return (FieldError("display_name", "invalid", "It holds a character that cannot be seen, or no other."),)
    return ()


def derived_usernames(display_name: str, chance: random.Random) -> Iterator[str]:
    """Usernames for a display name, the nearest first: `Zoë the Great` gives `Zoe_the_Great`, then numbered ones."""
    plain = unicodedata.normalize("NFKD", display_name)
    letters = "".join(each for each in plain if not unicodedata.combining(each))
    base = _NOT_IN_USERNAMES.sub("_", letters).strip("_")[:LONGEST_USERNAME]
    if len(base) >= SHORTEST_USERNAME and not is_reserved(base):
        yield base
    else:
        base = _FALLBACK
    for digits in range(2, 2 + _NUMBERED):
        number = str(chance.randrange(10 ** (digits - 1), 10**digits))
        yield f"{base[: LONGEST_USERNAME - len(number) - 1]}_{number}"
