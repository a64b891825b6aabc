"""Secrets and personal data recognised by their shape, in any text that is about to leave the process.

A rule runs only when a cheap look at the text says that it could match, so that an ordinary line of a log costs about
a microsecond. Every pattern is linear or bounded, because the text may come from an attacker.
"""

import re

HIDDEN = "[redacted]"
HIDDEN_TOKEN = "[token]"  # noqa: S105  this is what is shown in place of one
HIDDEN_EMAIL = "[email]"
HIDDEN_ADDRESS = "[ip]"

SECRET_WORDS = (
    "password", "passwd", "passphrase", "secret", "token", "ticket", "authorization", "cookie", "credential",
    "signature", "api_key", "private_key", "signing_key", "recovery_code", "backup_code", "one_time_code",
    "totp_code", "csrf",
)  # fmt: skip
"""Words, in whatever longer word and however joined, that make the value written beside them a secret."""

SHORT_SECRET_WORDS = ("otp", "totp", "dsn", "jwt", "pwd", "pin")
"""The same, but only as words of their own."""

HARMLESS_ENDINGS = (
    "id", "ids", "type", "kind", "count", "rpc", "at", "ttl", "seconds", "ms", "verified", "enabled", "required",
    "length", "present", "valid", "name", "status", "reused",
)  # fmt: skip
"""Endings of names that only mention a secret: `token_id`, `email_verified`."""

LONGEST_TEXT = 32_768
"""Characters looked at; what stands behind them is dropped, so that nothing is shown unseen."""

_SHORTEST_TOKEN = 32
_UUID_LENGTH = 36
_SCRUBBED = r"(?!\[(?:redacted|token|email|ip)\])"
_HARMLESS = rf"(?!\w{{0,40}}_(?:{'|'.join(HARMLESS_ENDINGS)})\b)"
# `password=`, `"password": `, `\"password\": `, and the pairs of a list of headers: `(b'cookie', b'…')`.
_SEPARATOR = r"(?:[\"'\\]{0,4}\s{0,3}(?:=>|[:=])\s{0,3}+|[\"']\s{0,3},\s{0,3}+(?=b?[\"']))"
_QUOTED = r"b?\"(?:[^\"\\]|\\.)*(?:\"|\Z)|b?'(?:[^'\\]|\\.)*(?:'|\Z)|[\[({][^\n]*"
_COMPACT_WORDS = tuple(word.replace("_", "") for word in SECRET_WORDS)
_WORDS = "|".join(word.replace("_", "[_-]?") for word in SECRET_WORDS)
_SHORT_WORDS = rf"(?<![A-Za-z])(?:{'|'.join(SHORT_SECRET_WORDS)})(?![A-Za-z])"
# Where such a value is not quoted it may hold spaces, so the rest of the line goes; of the others the next word.
_SHORT_WORD = re.compile(_SHORT_WORDS)
_LINE_WORDS = "passw|passphrase|authorization|cookie|recovery[_-]?code|backup[_-]?code"
_KEEP_NAME = rf"\g<1>{HIDDEN}"
_FLAGS = re.IGNORECASE | re.DOTALL
_LINE_PAIR = re.compile(
    rf"((?:{_LINE_WORDS}){_HARMLESS}[\w-]{{0,40}}{_SEPARATOR}){_SCRUBBED}(?:{_QUOTED}|[^\n]+)", _FLAGS
)
_WORD_PAIR = re.compile(
    rf"((?:{_WORDS}|{_SHORT_WORDS}){_HARMLESS}[\w-]{{0,40}}{_SEPARATOR}){_SCRUBBED}(?:{_QUOTED}|\S+)", _FLAGS
)
_QUERY_STRING = re.compile(
    r"((?:^|[?&])(?:[\w.-]{0,40}(?:token|ticket|secret|password|signature|email|mail)|code|state|key|nonce|sig|ip)=)"
    rf"{_SCRUBBED}[^&#\s\"'<>]+",
    re.IGNORECASE,
)
_URL_CREDENTIALS = re.compile(r"\b(https?://)[^\s/?#\"'<>]{1,512}@", re.IGNORECASE)
_STORE_CREDENTIALS = re.compile(r"\b((?!https?:)[a-z][a-z0-9+.-]{0,30}://)[^\s\"'<>]{1,512}@", re.IGNORECASE)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]{0,40}KEY-----|\Z)", re.DOTALL
)
_BEARER = re.compile(rf"\b(bearer|dpop)\s{{1,8}}+{_SCRUBBED}[^\s\"',;)]+", re.IGNORECASE)
# A word such as "authentication" is no credential: Base64 of a name and a password has a capital, a digit or a "=".
_BASIC = re.compile(r"\b((?i:basic))\s{1,8}(?=[a-z+/_-]{0,200}[A-Z0-9=])[A-Za-z0-9+/=_-]{6,}")
_JWT = re.compile(r"eyJ[\w-]{4,1000}+(?:\.[\w-]*){1,4}")
_WEBHOOK_SECRET = re.compile(r"whsec_[\w+/=-]+")
_TOKEN = re.compile(rf"[A-Za-z0-9_+/-]{{{_SHORTEST_TOKEN},}}={{0,2}}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_WORD_OF_A_NAME = re.compile(
    r"[a-z]{1,24}\d{0,3}|[A-Z]{1,24}\d{0,3}|\d{1,4}|[a-z]{0,24}(?:[A-Z][a-z]{1,24})+\d{0,3}|[A-Za-z0-9]{1,3}"
)
_WORD_OF_A_PATH = re.compile(r"[a-z]{3,24}")
_LONGEST_OF_A_PATH = 16
_BETWEEN_WORDS = re.compile(r"[_+/=-]+")
_EMAIL = re.compile(
    r"(\"[^\"\n]{1,64}\"|[^\s@<>()\[\]\",;]{1,128})(?:@|%40)(?:\[[^\]\s]{1,64}\]|[^\s@<>()\[\]\"',;=&?|/:]{1,255})"
)
_BEFORE_EMAIL = re.compile(r"\w{1,40}='|(?:[a-z]+:/)?/.*[/?&=]", re.DOTALL)
_IPV4 = re.compile(r"(?<!\d)(?<!\d\.)(?:\d{1,3}\.){3}\d{1,3}(?!\d)(?!\.\d)")
_IPV6 = re.compile(r"(?:(?<![A-Za-z0-9_])[0-9A-Fa-f]{1,4})?:[0-9A-Fa-f:]{0,64}:[0-9A-Fa-f:.]{0,64}")
# What PostgreSQL, its driver and SQLAlchemy put into messages is the data of the statement. A value that does not end
# takes the rest of the text with it.
_SQL_VALUE = r"\"(?:.{0,2000}?\"(?=[ \t]{0,8}(?:\n|\Z))|.*)"
_SQL_VALUES = (
    re.compile(r"(\bDETAIL:\s{1,4}).+?(?=\nHINT: |\n\n(?:The above|During) |\Z)", re.DOTALL),
    re.compile(r"(\bquery argument \$\d{1,5}: )[^\n]+"),
    re.compile(r"(\[parameters: )[^\n]+"),
    re.compile(r"(\binvalid value )\".{0,2000}?\"(?= for \")", re.DOTALL),
    re.compile(r"(\bfield value out of range: )[^\n\"\[]+"),
    re.compile(rf"(\b(?:invalid|malformed|out of range|in tsquery)[^\"\n]{{0,80}}: ){_SQL_VALUE}", re.DOTALL),
    re.compile(r"(\bvalue )\"(?:.{0,2000}?\"(?= is out of range)|.*(?=\" is out of range))", re.DOTALL),
)
_SQL_MARKS = ("DETAIL:", "argument $", "[parameters", "invalid", "malformed", "out of range", "in tsquery")


def scrub(text: str) -> str:
    """The text without what looks like a secret, an e-mail address, an IP address or a value of a SQL statement.

    Loopback and unspecified IP addresses stay, and so do UUIDs and words of programs (`snake_case`, `CamelCase`) of
    any length; other runs of 32 and more Base64 or hexadecimal digits go.
    """
    if len(text) > LONGEST_TEXT:
        return _scrub_beginning(text)
    if len(text) == _UUID_LENGTH and _UUID.fullmatch(text):
        return text
    if ":" in text or "=" in text or '"' in text or "'" in text:
        text = _scrub_pairs(text)
    if " " in text:
        text = _scrub_schemes(text)
    if len(text) >= _SHORTEST_TOKEN or "eyJ" in text or "whsec_" in text:
        text = _scrub_tokens(text)
    if "@" in text or "%40" in text:
        text = _EMAIL.sub(_hide_email, text)
    if text.count(":") >= 2:
        text = _IPV6.sub(_hide_ipv6, text)
    if text.count(".") >= 3:
        text = _IPV4.sub(_hide_ipv4, text)
    return text


def mentions_secret(text: str) -> bool:
    """Whether a text holds one of the words that make the value beside them a secret."""
    lower = text.lower()
    compact = lower.replace("_", "").replace("-", "")
    for word in _COMPACT_WORDS:
        if word in compact:
            return True
    for word in SHORT_SECRET_WORDS:
        if word in lower:
            return _SHORT_WORD.search(lower) is not None
    return False


def _scrub_beginning(text: str) -> str:
    """The scrubbed beginning of a long text, cut between words: half a secret might not look like one."""
    beginning = text[:LONGEST_TEXT].rpartition(" ")[0]
    return f"{scrub(beginning)} [{len(text) - len(beginning)} more characters]" if beginning else HIDDEN


def _scrub_pairs(text: str) -> str:
    """Without the values of SQL statements, the credentials in URLs and what is written beside a secret's name."""
    if any(mark in text for mark in _SQL_MARKS):
        for pattern in _SQL_VALUES:
            text = pattern.sub(_KEEP_NAME, text)
    if "://" in text and "@" in text:
        text = _STORE_CREDENTIALS.sub(rf"\1{HIDDEN}@", _URL_CREDENTIALS.sub(rf"\1{HIDDEN}@", text))
    if "=" in text:
        text = _QUERY_STRING.sub(_KEEP_NAME, text)
    if mentions_secret(text):
        text = _WORD_PAIR.sub(_KEEP_NAME, _LINE_PAIR.sub(_KEEP_NAME, text))
    return text


def _scrub_schemes(text: str) -> str:
    lower = text.lower()
    if "basic" in lower:
        text = _BASIC.sub(rf"\1 {HIDDEN_TOKEN}", text)
    if "bearer" in lower or "dpop" in lower:
        text = _BEARER.sub(rf"\1 {HIDDEN_TOKEN}", text)
    return text


def _scrub_tokens(text: str) -> str:
    if "-----BEGIN" in text:
        text = _PRIVATE_KEY.sub(HIDDEN, text)
    if "eyJ" in text:
        text = _JWT.sub(HIDDEN_TOKEN, text)
    if "whsec_" in text:
        text = _WEBHOOK_SECRET.sub(HIDDEN_TOKEN, text)
    return _TOKEN.sub(_hide_token, text)


def _hide_token(match: re.Match[str]) -> str:
    """Hide a long run of digits and letters unless it is made of words; of a path, only what is none."""
    text = match[0]
    if _is_made_of_words(text):
        return text
    parts = text.split("/")
    words = sum(1 for part in parts if _WORD_OF_A_PATH.fullmatch(part))
    if words * 2 < sum(1 for part in parts if part):
        return HIDDEN_TOKEN
    return "/".join(
        part if len(part) < _LONGEST_OF_A_PATH or _is_made_of_words(part) else HIDDEN_TOKEN for part in parts
    )


def _is_made_of_words(text: str) -> bool:
    """Whether it is a name such as programs have, or a UUID, perhaps with words around it."""
    words = _BETWEEN_WORDS.split(_UUID.sub("", text))
    return all(not word or _WORD_OF_A_NAME.fullmatch(word) for word in words)


def _hide_email(match: re.Match[str]) -> str:
    """Hide an address, but not the URL, the path or the `email='` before it."""
    before = _BEFORE_EMAIL.match(match[1])
    return f"{before[0]}{HIDDEN_EMAIL}" if before else HIDDEN_EMAIL


def _hide_ipv4(match: re.Match[str]) -> str:
    return match[0] if match[0] == "0.0.0.0" or match[0].startswith("127.") else HIDDEN_ADDRESS  # noqa: S104  a text


def _hide_ipv6(match: re.Match[str]) -> str:
    """Hide what has the form of an address: not a time of day, a slice, nor `::1`."""
    text = match[0].rstrip(".")
    groups = [group for group in text.split(":") if group]
    is_address = "::" in text or text.count(":") >= 7
    if is_address and (len(groups) > 1 or any(len(group) > 2 for group in groups)):
        return HIDDEN_ADDRESS + match[0][len(text) :]
    return match[0]
