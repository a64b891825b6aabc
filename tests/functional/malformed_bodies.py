"""Bodies as no client should send them: what is wrong with each, and the bytes of the request."""

import gzip
import json
from collections.abc import Iterator

from tests.functional.raw import request

Case = tuple[str, bytes]
"""What it is, and what is sent."""

BODIES = ("auth.login", "auth.register", "auth.refresh", "auth.setup", "auth.grant_role")
DEEP = 10_000
HUGE = "9" * 4000
_STRINGS = {
    "lone surrogate": r'"\ud800"',
    "reversed surrogates": r'"\udc00\ud800"',
    "surrogate in a name": r'"a\udfffb@example.com"',
    "NUL": r'"a\u0000b"',
    "only NUL": r'"\u0000"',
    "a raw NUL": '"a\x00b"',
    "a raw line end": '"a\nb"',
    "bad escape": r'"\x41"',
    "half an escape": r'"\u12"',
    "unclosed": '"abc',
    "single quotes": "'abc'",
    "BOM inside": '"\ufeffabc"',
    "noncharacter": '"\uffff"',
    "right to left": '"\u202egnp.exe"',
    "a million characters": '"' + "x" * 900_000 + '"',
    "combining": '"' + "e" + "\u0301" * 5000 + '"',
    "empty": '""',
    "spaces": '"     "',
    "template": '"{{7*7}}${7*7}<%= 7*7 %>"',
    "format": '"%s%n%x{0.__class__}"',
    "SQL": '"\' or 1=1; drop table account; --"',
    "path": '"../../../../etc/passwd"',
    "header": r'"a\r\nset-cookie: a=b"',
    "script": '"<script>alert(1)</script>"',
}
_VALUES = {
    "huge integer": HUGE,
    "huge negative integer": f"-{HUGE}",
    "integer of 65 bits": str(2**64),
    "1e400": "1e400",
    "-1e400": "-1e400",
    "tiny": "1e-400",
    "many decimals": "0." + "1" * 4000,
    "NaN": "NaN",
    "Infinity": "Infinity",
    "-0": "-0",
    "leading zero": "012",
    "hexadecimal": "0x10",
    "plus": "+1",
    "trailing dot": "1.",
    "true": "true",
    "null": "null",
    "None": "None",
    "empty list": "[]",
    "empty object": "{}",
    "list of strings": '["a@example.com"]',
    "object with an operator": '{"$ne": null}',
    "nested list": "[" * 500 + "]" * 500,
    "comment": "/* a */ 1",
    "nothing": "",
}


def bodies(fields: dict[str, list[str]]) -> Iterator[Case]:
    """Bodies for operations; `fields` are the names that each path takes."""
    for target, names in fields.items():
        for what, body in _whole_bodies(names).items():
            yield f"{what} to {target}", request("POST", target, body)
        for name in names:
            for what, value in {**_STRINGS, **_VALUES}.items():
                others = "".join(f', "{other}": "long enough"' for other in names if other != name)
                body = f'{{"{name}": {value}{others}}}'.encode("utf-8", "surrogatepass")
                yield f"{name} is {what} to {target}", request("POST", target, body)
        yield from _as_other_kinds(target)


def _whole_bodies(names: list[str]) -> dict[str, bytes]:
    plain = json.dumps(dict.fromkeys(names, "long enough"))
    first = names[0]
    return {
        "nothing": b"",
        "a space": b" ",
        "NUL": b"\x00",
        "bad UTF-8": plain.replace("long", "l\xf6ng").encode("latin-1"),
        "overlong UTF-8": plain.encode().replace(b"long", b"\xc0\xaf\xe0\x80\xaf"),
        "a surrogate in UTF-8": plain.encode().replace(b"long", b"\xed\xa0\x80"),
        "beyond Unicode": plain.encode().replace(b"long", b"\xf4\x90\x80\x80"),
        "bad UTF-8 in a name": plain.encode().replace(first.encode(), b"\xff\xfe"),
        "UTF-16": plain.encode("utf-16"),
        "UTF-32": plain.encode("utf-32"),
        "BOM": b"\xef\xbb\xbf" + plain.encode(),
        "two values": plain.encode() * 2,
        "more after it": plain.encode() + b" x",
        "half of it": plain.encode()[: len(plain) // 2],
        "a list": b"[" + plain.encode() + b"]",
        "a string": b'"x"',
        "a number": b"1",
        "null": b"null",
        "deep lists": b"[" * DEEP + b"]" * DEEP,
        "unclosed deep lists": b"[" * DEEP * 10,
        "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        "deep in a field": f'{{"{first}":'.encode() + b"[" * DEEP + b"]" * DEEP + b"}",
        "deep in an unknown field": plain.encode()[:-1] + b', "more":' + b"[" * DEEP + b"]" * DEEP + b"}",
        "the same name twice": f'{{"{first}": "a", "{first}": "b"}}'.encode(),
        "the same name a thousand times": b"{" + b",".join(f'"{first}": "a"'.encode() for _ in range(1000)) + b"}",
        "fifty thousand names": json.dumps({f"n{number}": number for number in range(50_000)}).encode(),
        "__proto__": b'{"__proto__": {"roles": ["admin"]}, "constructor": {}}',
        "a very long name": json.dumps({"n" * 500_000: 1}).encode(),
        "too much": b'{"a": "' + b"x" * 1_000_001 + b'"}',
        "gzip": gzip.compress(plain.encode()),
    }


def _as_other_kinds(target: str) -> Iterator[Case]:
    kinds = (
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "multipart/form-data; boundary=" + "x" * 300,
        "application/xml",
        "application/msgpack",
        "application/octet-stream",
        "application/json, text/html",
        "application/jsonp",
        "application/json/x",
        "application/merge-patch+json",
        "application",
        "/",
        ";",
        " ",
        "x" * 5000,
        "application/json; charset=utf-16",
        "application/json; charset=nonsense",
        'application/json; charset="',
        "APPLICATION/JSON",
    )
    for kind in kinds:
        yield f"{kind[:40]!r} to {target}", request("POST", target, b'{"a": "b"}', kind=kind)
    yield f"no kind to {target}", request("POST", target, b'{"a": "b"}', kind=None)
    for encoding in ("gzip", "br", "zstd", "identity", "x, y"):
        yield (
            f"content-encoding {encoding} to {target}",
            request("POST", target, gzip.compress(b'{"a": "b"}'), headers=[("content-encoding", encoding)]),
        )


def forms() -> Iterator[Case]:
    """Bodies for the one form there is, from a page of this site and from elsewhere."""
    form = "application/x-www-form-urlencoded"
    bodies_sent = (
        b"", b"=", b"&&&", b"token", b"token=%", b"token=%zz", b"token=%00", b"token=%ff%fe", b"token=\xff",
        b"\x00=\x00",
        b"token=" + b"x" * 900_000, b"token=a&" * 5000, b"&".join(b"n%d=1" % number for number in range(3000)),
        b"token[]=1&token[a]=2", b"token=%ED%A0%80&email=%ED%A0%80&password=%00&display_name=%00", b'{"token": "x"}',
        b"token=\xe0\xa6\x85&email=a@b.co", b"token=+&email=+&password=+&display_name=+", b"x" * 1_000_001,
    )  # fmt: skip
    kinds = (
        form,
        f"{form}; charset=utf-16",
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        "text/plain",
        "x",
    )
    for body in bodies_sent:
        for kind in kinds:
            for site in ("same-origin", "cross-site"):
                sent = request("POST", "/setup", body, kind=kind, headers=[("sec-fetch-site", site)])
                yield f"form {body[:30]!r} as {kind} from {site}", sent
    part = b'--x\r\ncontent-disposition: form-data; name="token"'
    multipart = "multipart/form-data; boundary=x"
    for body in (
        part,
        part + b"\r\n\r\na",
        part + b'; filename="../../x"\r\n\r\n\xff\r\n--x--',
        b"--x" * 5000,
        b"--x--",
    ):
        sent = request("POST", "/setup", body, kind=multipart, headers=[("sec-fetch-site", "same-origin")])
        yield f"parts {body[:40]!r}", sent
