"""Sealed values, keyed hashes, tokens and the keyring file."""

import base64
import hashlib
import hmac
import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agon.platform import crypto
from agon.platform.crypto import Keyring, KeyringInvalid, KeyUnknown, SealBroken, SecretBox, SecretUnreadable

KEYS = {"old": bytes(range(32)), "new": bytes(range(32, 64))}


@settings(deadline=None)
@given(plain=st.binary(max_size=300), context=st.binary(max_size=40))
def test_a_sealed_value_opens_with_its_context_and_hides_its_content(plain: bytes, context: bytes):
    box = SecretBox(KEYS, "new")
    sealed = box.seal(plain, context=context)
    assert box.open(sealed, context=context) == plain
    assert len(plain) < 8 or plain not in sealed
    assert sealed != box.seal(plain, context=context)


@settings(deadline=None)
@given(
    plain=st.binary(min_size=1, max_size=60),
    position=st.integers(min_value=0, max_value=200),
    flip=st.integers(min_value=1, max_value=255),
)
def test_any_changed_byte_is_noticed(plain: bytes, position: int, flip: int):
    box = SecretBox(KEYS, "new")
    sealed = bytearray(box.seal(plain, context=b"totp:1"))
    sealed[position % len(sealed)] ^= flip
    with pytest.raises(SecretUnreadable):
        box.open(bytes(sealed), context=b"totp:1")


@settings(deadline=None)
@given(plain=st.binary(max_size=40), kept=st.integers(min_value=0, max_value=200))
def test_a_cut_value_is_noticed(plain: bytes, kept: int):
    box = SecretBox(KEYS, "new")
    sealed = box.seal(plain, context=b"c")
    with pytest.raises(SecretUnreadable):
        box.open(sealed[: kept % len(sealed)], context=b"c")


@settings(deadline=None)
@given(noise=st.binary(max_size=200))
def test_noise_is_never_anything_but_unreadable(noise: bytes):
    with pytest.raises(SecretUnreadable):
        SecretBox(KEYS, "new").open(noise, context=b"")


def test_another_context_is_refused():
    box = SecretBox(KEYS, "new")
    sealed = box.seal(b"secret", context=b"totp:1")
    with pytest.raises(SealBroken):
        box.open(sealed, context=b"totp:2")


def test_older_keys_open_and_the_current_one_seals():
    old = SecretBox({"old": KEYS["old"]}, "old")
    both = SecretBox(KEYS, "new")
    assert both.open(old.seal(b"s", context=b"c"), context=b"c") == b"s"
    with pytest.raises(KeyUnknown):
        old.open(both.seal(b"s", context=b"c"), context=b"c")


def test_the_key_id_cannot_be_exchanged_for_another():
    same_key = SecretBox({"a": KEYS["old"], "b": KEYS["old"]}, "a")
    sealed = bytearray(same_key.seal(b"s", context=b"c"))
    assert sealed[2:3] == b"a"
    sealed[2:3] = b"b"
    with pytest.raises(SealBroken):
        same_key.open(bytes(sealed), context=b"c")


@pytest.mark.parametrize("keys", [{}, {"x": b"short"}, {"x": bytes(32), "bad id!": bytes(32)}, {"y": bytes(32)}])
def test_a_box_without_usable_keys_is_refused(keys: dict[str, bytes]):
    with pytest.raises(ValueError, match="key"):
        SecretBox(keys, "x")


@settings(deadline=None)
@given(left=st.lists(st.binary(max_size=5), max_size=4), right=st.lists(st.binary(max_size=5), max_size=4))
def test_keyed_hashes_of_different_parts_differ(left: list[bytes], right: list[bytes]):
    key = KEYS["old"]
    assert (crypto.hmac_sha256(key, *left) == crypto.hmac_sha256(key, *right)) == (left == right)


def test_keyed_hash_is_hmac_of_length_framed_parts():
    framed = b"\x00\x00\x00\x00\x00\x00\x00\x02ab" + b"\x00\x00\x00\x00\x00\x00\x00\x00"
    assert crypto.hmac_sha256(b"key", b"ab", b"") == hmac.digest(b"key", framed, "sha256")


def test_derived_keys_follow_rfc_5869():
    master = bytes(range(40))
    extracted = hmac.digest(bytes(32), master, "sha256")  # no salt: zeros of the hash's length
    expected = hmac.digest(extracted, b"agon:totp" + b"\x01", "sha256")
    assert crypto.derive_key(master, "totp") == expected
    assert crypto.derive_key(master, "csrf") != expected
    with pytest.raises(ValueError, match="32"):
        crypto.derive_key(b"password", "totp")


def test_tokens_are_256_random_bits_and_stored_as_a_digest():
    tokens = {crypto.token() for _ in range(1000)}
    assert len(tokens) == 1000
    one = next(iter(tokens))
    assert len(base64.urlsafe_b64decode(one + "=")) == 32
    assert crypto.digest(one) == hashlib.sha256(one.encode()).digest()
    assert crypto.equal(crypto.digest(one), crypto.digest(one))
    assert not crypto.equal(crypto.digest(one), crypto.digest(one + "x"))


def test_a_missing_keyring_is_made_once_for_its_owner_only(tmp_path: Path):
    path = tmp_path / "state" / "keyring.json"
    made = Keyring.load_or_create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    again = Keyring.load_or_create(path)
    assert (again.keys, again.current) == (made.keys, made.current)
    assert json.loads(path.read_text())["keys"] == {made.current: base64.b64encode(made.keys[made.current]).decode()}
    assert sorted(item.name for item in path.parent.iterdir()) == ["keyring.json", "keyring.json.lock"]


def test_rotation_keeps_what_was_sealed_readable(tmp_path: Path):
    path = tmp_path / "keyring.json"
    first = Keyring.load_or_create(path)
    sealed = first.box("totp").seal(b"seed", context=b"1")
    second = first.rotate()
    assert second.current != first.current
    assert Keyring.load_or_create(path).current == second.current
    assert second.box("totp").open(sealed, context=b"1") == b"seed"
    with pytest.raises(KeyUnknown):
        first.box("totp").open(second.box("totp").seal(b"seed", context=b"1"), context=b"1")
    assert len(first.rotate().keys) == 3, "rotation starts from the file, not from what one process remembers"


def test_boxes_of_different_purposes_do_not_open_each_other(tmp_path: Path):
    keyring = Keyring.load_or_create(tmp_path / "keyring.json")
    sealed = keyring.box("totp").seal(b"seed", context=b"1")
    with pytest.raises(SealBroken):
        keyring.box("webhooks").open(sealed, context=b"1")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_keyring_that_others_can_read_is_refused_with_the_way_out(tmp_path: Path, mode: int):
    path = tmp_path / "keyring.json"
    Keyring.load_or_create(path)
    path.chmod(mode)
    with pytest.raises(KeyringInvalid, match="chmod 600"):
        Keyring.load_or_create(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"current": "a"}',
        b'{"current": "a", "keys": {}}',
        b'{"current": "a", "keys": {"a": "AAAA"}}',
        b'{"current": "a", "keys": {"a": "not base64!"}}',
        b'{"current": "a", "keys": {"a": "\xff"}}',
    ],
)
def test_a_damaged_keyring_is_refused_and_left_alone(tmp_path: Path, content: bytes):
    path = tmp_path / "keyring.json"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyringInvalid, match="restore"):
        Keyring.load_or_create(path)
    assert path.read_bytes() == content


def test_a_write_that_fails_leaves_the_old_file_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "keyring.json"
    keyring = Keyring.load_or_create(path)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="space"):
        keyring.rotate()
    assert path.read_bytes() == before
    assert sorted(item.name for item in tmp_path.iterdir()) == ["keyring.json", "keyring.json.lock"]
