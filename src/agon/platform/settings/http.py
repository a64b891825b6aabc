"""Settings of the HTTP edge."""

from collections.abc import Iterable

from pydantic import SecretStr

from agon.platform.settings.declare import Group, setting
from agon.platform.settings.problems import Finding
from agon.platform.settings.values import (
    GUESSABLE,
    HOW_TO_MAKE_ONE,
    HostPattern,
    ListenAddress,
    Network,
    Origin,
    OriginOrAny,
    WebUrl,
    guessable,
)


class HttpSettings(Group):
    """Where Agon listens, whom it believes and what it accepts."""

    host: ListenAddress = setting(
        "127.0.0.1",
        "The address to listen on. The container image sets `0.0.0.0`.",
        variable="AGON_HOST",
    )
    port: int = setting(8000, "The port to listen on.", minimum=1, maximum=65535, variable="AGON_PORT")
    trusted_proxies: tuple[Network, ...] = setting(
        (),
        "Networks of the proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed. Without any, the client "
        "is whoever opened the connection.",
        example="10.0.0.0/8",
        default_text="none",
    )
    cors_origins: tuple[OriginOrAny, ...] = setting(
        (),
        "Origins whose pages may call the API from a browser. `*` allows all and is refused in production.",
        example="https://game.example.org",
        default_text="none",
    )
    allowed_hosts: tuple[HostPattern, ...] = setting(
        (),
        "Names that requests may give as `Host`: a name, `*.` and a name, or `*` for any. An empty list allows any.",
        example="agon.example.org",
        default_text="the host of `base_url` in production, otherwise any",
    )
    body_limit_bytes: int = setting(1_000_000, "The largest request body, uploads apart.", minimum=0)
    upload_limit_bytes: int = setting(10_000_000, "The largest uploaded file.", minimum=0)
    slow_request_ms: int = setting(1000, "Requests that take longer are logged as warnings.", minimum=0)
    shutdown_grace_seconds: float = setting(
        5,
        "After SIGTERM, how long to go on serving while the ready check already says 503, so that balancers notice.",
        minimum=0,
        maximum=300,
        default_text="0 in development, otherwise 5",
    )
    drain_seconds: float = setting(
        20, "How long requests under way may take to finish once no more are accepted.", minimum=0, maximum=300
    )
    hsts: bool = setting(
        default=False,
        description="Whether to tell browsers to use only HTTPS for a year (Strict-Transport-Security).",
        default_text="true in production, otherwise false",
    )
    frame_ancestors: tuple[Origin, ...] = setting(
        (),
        "Origins that may show overlays and embeds in a frame; every other page is never framed.",
        example="https://stream.example.org",
        default_text="none",
    )
    metrics_token: SecretStr | None = setting(
        None, "A bearer token that opens `/metrics`. Without it and without a port of its own the route is closed."
    )
    metrics_port: int | None = setting(
        None,
        "A port of its own for `/metrics`, to be reached by the monitoring only.",
        example="9100",
        minimum=1,
        maximum=65535,
    )
    media_base_url: WebUrl | None = setting(
        None,
        "The address of a content delivery network in front of public images.",
        example="https://media.example.org",
        default_text="Agon's own route",
        variable="AGON_MEDIA_BASE_URL",
    )
    storage_origin: Origin | None = setting(
        None,
        "The origin of the object storage from which pages may show images (Content-Security-Policy).",
        example="https://bucket.s3.example.org",
    )

    def findings(self, *, production: bool) -> Iterable[Finding]:
        if self.metrics_port == self.port:
            yield Finding(
                ("http.metrics_port", "http.port"),
                f"is {self.port}, the port of the site itself",
                "Give the metrics another port, or use AGON_HTTP_METRICS_TOKEN on the same one.",
            )
        if "*" in self.cors_origins and (production or len(self.cors_origins) > 1):
            why = "`*` lets every web site call the API" if production else "`*` already includes the others"
            yield Finding(("http.cors_origins",), why, "List the origins that may call the API.")
        if production and self.metrics_token is not None and guessable(self.metrics_token):
            yield Finding(("http.metrics_token",), GUESSABLE, f"Give a random value; {HOW_TO_MAKE_ONE}.")
