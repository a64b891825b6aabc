"""Mail over encrypted connections, with passwords."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agon.platform.mail.message import MailUnavailable
from agon.platform.mail.smtp import Tls
from tests.integration.platform.mail_servers import MESSAGE, Inbox, smtp, transport


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of its own for localhost, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


async def test_starttls_is_required_where_asked_for(server_tls: ssl.SSLContext, trusting: ssl.SSLContext):
    inbox = Inbox()
    async with smtp(inbox, tls_context=server_tls, require_starttls=True) as port:
        await transport(port, tls=Tls.STARTTLS, tls_context=trusting).send(MESSAGE)
        assert len(inbox.envelopes) == 1
        with pytest.raises(MailUnavailable):
            await transport(port, tls=Tls.STARTTLS).send(MESSAGE)
    async with smtp(inbox) as port:
        with pytest.raises(MailUnavailable):
            await transport(port, tls=Tls.STARTTLS, tls_context=trusting).send(MESSAGE)
    assert len(inbox.envelopes) == 1, "nothing was sent without encryption, or to a certificate that is not trusted"


async def test_implicit_tls(server_tls: ssl.SSLContext, trusting: ssl.SSLContext):
    inbox = Inbox()
    async with smtp(inbox, server_tls=server_tls) as port:
        await transport(port, tls=Tls.IMPLICIT, tls_context=trusting).send(MESSAGE)
        assert len(inbox.envelopes) == 1
        with pytest.raises(MailUnavailable):
            await transport(port, tls=Tls.IMPLICIT).send(MESSAGE)


async def test_passwords(server_tls: ssl.SSLContext, trusting: ssl.SSLContext):
    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, given: LoginPassword) -> AuthResult:
        return AuthResult(success=given == LoginPassword(b"agon", b"secret"), handled=False)

    inbox = Inbox()
    secured = {"tls": Tls.STARTTLS, "tls_context": trusting, "username": "agon"}
    async with smtp(inbox, tls_context=server_tls, auth_required=True, authenticator=authenticate) as port:
        await transport(port, password="secret", **secured).send(MESSAGE)
        assert len(inbox.envelopes) == 1
        with pytest.raises(MailUnavailable) as wrong:
            await transport(port, password="not-the-secret", **secured).send(MESSAGE)
    assert "secret" not in str(wrong.value)
    with pytest.raises(ValueError, match="encrypted"):
        transport(1, username="agon", password="secret")
