"""All settings, as one typed object."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import Field, PrivateAttr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from agon.platform.settings.accounts import AccountSettings
from agon.platform.settings.declare import Group, setting
from agon.platform.settings.http import HttpSettings
from agon.platform.settings.limits import LimitSettings
from agon.platform.settings.load import Rules, load
from agon.platform.settings.operation import (
    JobSettings,
    LogFormat,
    LogSettings,
    MailSettings,
    MailTransport,
    RetentionSettings,
    SentrySettings,
    TracingSettings,
)
from agon.platform.settings.problems import Finding
from agon.platform.settings.stores import CacheSettings, DatabaseSettings, LoadSettings, ValkeySettings
from agon.platform.settings.values import Environment, LocalPath, Origin, any_case

_ANY_ADDRESS = {"0.0.0.0", "::"}  # noqa: S104 - recognised here, not bound


class Settings(BaseSettings):
    """Everything an operator can set, validated; made by `Settings.load`."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True
    )

    environment: Annotated[Environment, any_case] = setting(
        Environment.DEVELOPMENT,
        "Where this runs; decides some defaults, and production refuses what is unsafe. The container image sets "
        "`production`.",
    )
    data_dir: LocalPath = setting(
        Path(".agon"), "The folder for the embedded database, keys and mails, from the working directory."
    )
    base_url: Origin = setting(
        "http://127.0.0.1:8000",
        "The public address, for links, cookies and tokens. Cookies are `Secure` when it is https, which production "
        "requires.",
        example="https://agon.example.org",
        default_text="`http://` with the host and port listened on",
    )
    http: HttpSettings = Field(default_factory=HttpSettings)
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    valkey: ValkeySettings = Field(default_factory=ValkeySettings)
    cache: CacheSettings = Field(default_factory=CacheSettings)
    load_status: LoadSettings = Field(default_factory=LoadSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)
    accounts: AccountSettings = Field(default_factory=AccountSettings)
    jobs: JobSettings = Field(default_factory=JobSettings)
    mail: MailSettings = Field(default_factory=MailSettings)
    log: LogSettings = Field(default_factory=LogSettings)
    tracing: TracingSettings = Field(default_factory=TracingSettings)
    sentry: SentrySettings = Field(default_factory=SentrySettings)
    retention: RetentionSettings = Field(default_factory=RetentionSettings)

    _origins: Mapping[str, str] = PrivateAttr(default_factory=dict[str, str])

    @classmethod
    def load(
        cls,
        overrides: Mapping[str, object] | None = None,
        environ: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> "Settings":
        """The settings from flags, environment, secret files and TOML files, in that order of precedence.

        Args:
            overrides: flags, by dotted path (`http.port`); `None` means that the flag was not given.
            environ: instead of the environment of the process.
            directory: where `agon.toml` is, instead of `AGON_CONFIG_DIR` or the working directory.

        Raises:
            SettingsError: with every problem at once, and no secret value.
        """
        loaded = load(
            cls,
            Rules(derive=_derived, findings=_findings),
            overrides=overrides or {},
            environ=os.environ if environ is None else environ,
            directory=directory,
        )
        loaded.settings._origins = loaded.origins  # noqa: SLF001 - an instance of this very class
        return loaded.settings

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only arguments: otherwise one made by hand would read variables such as `LOG` by the library's own rules."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @property
    def production(self) -> bool:
        """Whether this is a production deployment."""
        return self.environment is Environment.PRODUCTION

    @property
    def secure_cookies(self) -> bool:
        """Whether cookies carry `Secure`: as soon as the public address is https."""
        return self.base_url.startswith("https://")

    def origin(self, path: str) -> str:
        """Where the value of a setting (dotted path) came from, in the operator's words."""
        return self._origins.get(path, "default")


def _derived(given: Mapping[str, object]) -> dict[str, object]:
    environment = str(given.get("environment", Environment.DEVELOPMENT)).lower()
    development, production = environment == Environment.DEVELOPMENT, environment == Environment.PRODUCTION
    http = HttpSettings.model_fields
    host = str(given.get("http.host", http["host"].default))
    host = "localhost" if host in _ANY_ADDRESS else f"[{host}]" if ":" in host else host
    port = given.get("http.port", http["port"].default)
    base_url = str(given.get("base_url", f"http://{host}:{port}")).lower()
    data_dir = Path(str(given.get("data_dir", Settings.model_fields["data_dir"].default)))
    derived: dict[str, object] = {
        "base_url": base_url,
        "http.shutdown_grace_seconds": 0 if development else http["shutdown_grace_seconds"].default,
        "http.hsts": production,
        "accounts.issuer": base_url,
        "mail.folder": data_dir / "mail",
        "log.format": LogFormat.CONSOLE if development else LogFormat.JSON,
    }
    if production:
        derived["http.allowed_hosts"] = _host_of(base_url)
    else:
        derived["accounts.keyring_file"] = data_dir / "keyring.json"
    return derived


def _host_of(base_url: str) -> tuple[str, ...]:
    try:
        host = urlsplit(base_url).hostname
    except ValueError:  # reported as the base_url it is
        host = None
    return (host,) if host else ()


def _findings(settings: Settings) -> Iterable[Finding]:
    for name in type(settings).model_fields:
        group = getattr(settings, name)
        if isinstance(group, Group):
            yield from group.findings(production=settings.production)
    if not settings.production:
        return
    if not settings.secure_cookies:
        yield Finding(
            ("base_url",),
            "is not https, so cookies and tokens would travel in the clear",
            "Set AGON_BASE_URL to the public https address of the site.",
        )
    if settings.accounts.require_verification and settings.mail.transport is MailTransport.FILE:
        yield Finding(
            ("accounts.require_verification", "mail.transport"),
            "asks for verified addresses, but mails are only written to files and nobody would get one",
            "Set AGON_MAIL_TRANSPORT=smtp and the server, or do not require verification.",
        )
