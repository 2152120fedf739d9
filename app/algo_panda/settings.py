"""Every setting there is, read from ``PANDA_*`` environment variables and ``.env``."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import quote, urlsplit

import platformdirs
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from algo_panda.domain.errors import ConfigurationError
from algo_panda.domain.trading import ALL_ACCOUNTS, KNOWN_BROKERS

_UNREADABLE = re.compile(r'field "(\w+)"')
"""In what is said of a value that was to be JSON."""

Delivery = Literal["at_least_once", "exactly_once"]
TickPolicy = Literal["process", "drop"]
MisplacedPolicy = Literal["dead_letter", "process"]
SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class Settings(BaseSettings):
    """Settings of one process. Field ``x_y`` is read from ``PANDA_X_Y``."""

    model_config = SettingsConfigDict(
        env_prefix="PANDA_",
        env_file=".env",
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    data_dir: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("algo-panda")),
        description="Where the embedded broker and the default database keep their files.",
    )
    kafka_bootstrap_servers: str | None = Field(
        default=None,
        description="Kafka to use, as host:port[,host:port]. Unset: the broker of `panda dev up`.",
    )
    kafka_security_protocol: SecurityProtocol | None = Field(
        default=None,
        description="How clients connect to Kafka ([Kafka with TLS and logins](kafka-security.md))."
        " Unset: plain TCP without a login.",
    )
    kafka_sasl_mechanism: SaslMechanism | None = Field(
        default=None, description="How clients log in to Kafka."
    )
    kafka_sasl_username: str | None = Field(default=None, description="Kafka user.")
    kafka_sasl_password: SecretStr | None = Field(
        default=None, description="Password of the Kafka user."
    )
    kafka_sasl_password_file: Path | None = Field(
        default=None,
        description="File that contains the password. Set this or PANDA_KAFKA_SASL_PASSWORD.",
    )
    kafka_ssl_ca: Path | None = Field(
        default=None,
        description="PEM file of the certificate authorities (CA) of Kafka's certificates."
        " Unset: those of the operating system.",
    )
    kafka_ssl_cert: Path | None = Field(
        default=None, description="PEM file of the client's certificate, with its chain."
    )
    kafka_ssl_key: Path | None = Field(
        default=None, description="PEM file of the client's private key."
    )
    kafka_ssl_key_password: SecretStr | None = Field(
        default=None, description="Password of the client's private key."
    )
    kafka_client_config: dict[str, Any] = Field(
        default_factory=dict[str, Any],
        repr=False,
        description='More settings of librdkafka clients, as JSON: {"socket.keepalive.enable":'
        " true}. They do not apply to Faust's client. Those that delivery depends on are refused.",
    )
    dev_kafka_port: int = Field(
        default=19092, ge=1, le=65535, description="Port of the embedded broker."
    )
    dev_controller_port: int = Field(
        default=19093, ge=1, le=65535, description="Port of its KRaft controller."
    )
    database_url: str | None = Field(
        default=None,
        repr=False,  # it may contain a password
        description="SQLAlchemy URL. Unset: SQLite in the data directory.",
    )
    topic_prefix: str = Field(
        default="",
        pattern=r"^[a-zA-Z0-9._-]*$",
        description="Prefix of the names of topics, consumer groups and transactional ids, so that"
        " installations can share a cluster.",
    )
    topics_file: Path | None = Field(
        default=None, description="Topic declarations to use instead of topics/topics.yaml."
    )
    acls_file: Path | None = Field(
        default=None, description="ACL declarations to use instead of topics/acls.yaml."
    )
    schema_registry_url: str | None = Field(
        default=None,
        repr=False,
        description="Confluent-compatible registry. Unset: ids come from schemas/.",
    )
    accounts: dict[str, str] = Field(
        default_factory=dict[str, str],
        description='Broker to account id, as JSON: {"paper": "PAPER1"}. Default: the broker name.',
    )
    processors: dict[str, str] = Field(
        default_factory=dict[str, str],
        description='Your strategy types, as JSON: {"my_type": "package.module.create_processor"}.',
    )
    validators: dict[str, str] = Field(
        default_factory=dict[str, str],
        description='Your validators, as JSON: {"my_rules": "package.module.create_validator"}.',
    )
    strategies_path: str | None = Field(
        default=None,
        description="Folders of your modules, separated by ':'; searched after installed packages."
        " Unset: the working directory.",
    )
    quarantine_after: int = Field(
        default=10,
        ge=1,
        le=1_000_000,
        description="Consecutive failures on one instrument after which a strategy stops there:"
        " 1 to 1,000,000, because a limit that is never reached hides a strategy that only fails.",
    )
    duplicate_ticks: TickPolicy = Field(
        default="process",
        description="Ticks with time, price, quantity and volume of the previous one: hand them to"
        " strategies, or drop them. Counted either way.",
    )
    out_of_order_ticks: TickPolicy = Field(
        default="process",
        description="Ticks older than an earlier one of their instrument: hand them to strategies,"
        " or drop them. Counted either way.",
    )
    misplaced_ticks: MisplacedPolicy = Field(
        default="dead_letter",
        description="Ticks in a partition that is not their key's, because their producer does not"
        " partition by murmur2: write them to `ticks.dlq`, or hand them to strategies. A strategy"
        " then has one state per partition, and the paper broker rejects its orders.",
    )
    delivery: Delivery = Field(
        default="at_least_once",
        description="How signals leave the runner: at once, or inside the checkpoint transaction.",
    )
    checkpoint_interval_seconds: float = Field(
        default=5.0,
        ge=0.05,
        le=3600,
        allow_inf_nan=False,
        description="Seconds between checkpoints of the runner, 0.05 to 3600; more if serialising"
        " its state would take more than a tenth of its time. After a crash, so many seconds of"
        " ticks are processed again. With exactly_once, signals wait so long: keep it below"
        " PANDA_SIGNAL_TTL_SECONDS.",
    )
    kafka_session_timeout_seconds: float = Field(
        default=6.0,
        ge=1,
        le=86_400,
        allow_inf_nan=False,
        description="Seconds without a heartbeat after which the broker gives the partitions of a"
        " worker to others, 1 to 86400; the broker may allow less.",
    )
    stall_seconds: float = Field(
        default=90.0,
        ge=2,
        le=86_400,
        allow_inf_nan=False,
        description="Seconds, after the checkpoint interval, that a partition may have records to"
        " process and no checkpoint before /health reports a stall, 2 to 86400. More than a"
        " rebalance and restoring the state take.",
    )
    exit_on_stall: bool = Field(
        default=False,
        description="Whether a stalled worker ends with exit code 7, to be started again.",
    )
    signal_ttl_seconds: float = Field(
        default=60.0,
        ge=1,
        le=1_000_000_000,
        allow_inf_nan=False,
        description="How old a signal or an order may be when risk and router process it: by the"
        " event time of its tick, and by the time it was written. An older one is rejected with"
        " code EXPIRED. At least 1: a record needs a part of a second from stage to stage.",
    )
    control_timeout_seconds: float = Field(
        default=5.0,
        ge=2,
        le=86_400,
        allow_inf_nan=False,
        description="How long risk, router and paper venue go on if they cannot read the topic"
        " `control`; then they treat every account as halted until they can. 2 to 86400: they ask"
        " once a second and wait up to a second for the answer, so with a shorter time they would"
        " refuse orders although `control` can be read.",
    )
    risk_max_quantity: int = Field(default=1_000_000, ge=1, description="Per order.")
    risk_max_notional: Decimal = Field(
        default=Decimal(1_000_000_000), gt=0, description="Per order: quantity times price."
    )
    risk_max_position: int = Field(
        default=1_000_000,
        ge=1,
        description="Largest absolute position per strategy, instrument and account.",
    )
    paper_accepts_past_ticks: bool = Field(
        default=False,
        description="Whether orders for the paper broker may come from past ticks, such as a"
        " recorded day that is published again. Their event time is then not checked.",
    )
    paper_spread: str = Field(
        default="0",
        description="Difference between bid and ask on the paper venue, of which a fill pays half:"
        " '2 ticks', '1.5 bps'.",
    )
    paper_slippage: str = Field(
        default="0",
        description="Slippage of a paper fill, added to the spread: '1 ticks', '2 bps'.",
    )
    paper_slippage_probability: float = Field(
        default=1.0, ge=0, le=1, description="Probability that a paper fill slips."
    )
    paper_tick_size: Decimal | None = Field(
        default=None,
        gt=0,
        description="Smallest step of prices: the unit of a spread or slippage in ticks. Prices"
        " changed by them are rounded to it.",
    )
    paper_latency_ms: Decimal = Field(
        default=Decimal(0),
        ge=0,
        le=3_600_000,
        description="Milliseconds from the tick that caused an order to its arrival at the paper"
        " venue.",
    )
    paper_latency_jitter_ms: Decimal = Field(
        default=Decimal(0),
        ge=0,
        le=3_600_000,
        description="Most milliseconds of additional random latency.",
    )
    paper_volume_limit: Decimal | None = Field(
        default=None,
        gt=0,
        le=1,
        description="The part of a tick's traded quantity that one paper order may take; the rest"
        " of the order waits. Unset: any tick fills it whole.",
    )
    paper_expire_seconds: int = Field(
        default=21_600,
        ge=1,
        le=1_000_000_000,
        description="Seconds after which a paper order that is not filled expires, by event time.",
    )
    paper_seed: int = Field(default=0, description="Seed of the paper venue's random numbers.")
    paper_fees: str | None = Field(
        default=None,
        description="Fees of paper fills: zerodha-nse-intraday-2024-10, or a file of charges."
        " Unset: none.",
    )
    metrics_host: str = Field(
        default="127.0.0.1", description="Address to serve worker metrics on."
    )
    metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Port of worker metrics; of several workers, the first of consecutive ones."
        " Unset: a free one, named in the log.",
    )
    tracing_endpoint: str | None = Field(
        default=None,
        repr=False,
        description="OTLP/HTTP traces URL for process_tick spans. Unset: no spans.",
    )
    tracing_ratio: float = Field(
        default=0.01, ge=0, le=1, description="Share of ticks whose spans are recorded."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Minimum level to log."
    )
    log_format: Literal["console", "json"] = Field(
        default="console", description="Format of log lines: for people, or one JSON object each."
    )

    @field_validator("kafka_security_protocol", "kafka_sasl_mechanism", mode="before")
    @classmethod
    def _case_does_not_matter(cls, name: object) -> object:
        return name.upper() if isinstance(name, str) else name

    @field_validator("accounts")
    @classmethod
    def _each_broker_has_its_own_account(cls, accounts: dict[str, str]) -> dict[str, str]:
        # An order's id is made of signal and account: on one account the second is a repetition.
        owners: dict[str, str] = {}
        for broker in accounts:
            if broker not in KNOWN_BROKERS:
                known = ", ".join(KNOWN_BROKERS)
                raise ValueError(f"unknown broker {broker!r}; known brokers: {known}")
        for broker in KNOWN_BROKERS:
            account = accounts.get(broker, broker)
            if not account.strip() or account == ALL_ACCOUNTS:
                raise ValueError(f"{account!r} cannot be the account of broker {broker!r}")
            if account in owners:
                default = "" if broker in accounts else f", whose default is {broker!r},"
                raise ValueError(
                    f"brokers {owners[account]!r} and {broker!r}{default} would share the account"
                    f" {account!r}; give each broker an account of its own"
                )
            owners[account] = broker
        return accounts

    @field_validator("tracing_endpoint")
    @classmethod
    def _spans_go_over_http(cls, endpoint: str | None) -> str | None:
        if endpoint is None:
            return None
        url = urlsplit(endpoint)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError("the URL must begin with http:// or https:// and name a host")
        return endpoint

    @property
    def effective_database_url(self) -> str:
        """The URL given, or SQLite in the data directory."""
        return self.database_url or f"sqlite:///{quote(str(self.data_dir / 'panda.db'))}"

    def with_absolute_paths(self) -> Self:
        """Return these settings such that no path depends on the working directory any more."""
        paths = {name: value.absolute() for name, value in self if isinstance(value, Path)}
        return self.model_copy(update=paths)

    def account_for(self, broker: str) -> str:
        """The account id that orders to ``broker`` are booked on."""
        return self.accounts.get(broker, broker)

    @property
    def known_accounts(self) -> dict[str, str]:
        """Broker by account, for the accounts of all known brokers."""
        return {self.account_for(broker): broker for broker in KNOWN_BROKERS}

    def topic(self, name: str) -> str:
        """The name on the broker of the topic declared as ``name``."""
        return f"{self.topic_prefix}{name}"


def load_settings() -> Settings:
    """Read the settings.

    Raises:
        ConfigurationError: a variable has a value of the wrong form; the message names it.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "PANDA_" + "_".join(str(part) for part in first["loc"]).upper()
        message = first["msg"].removeprefix("Value error, ")
        if first["type"].startswith(("greater_than", "less_than")):
            message += "; docs/configuration.md gives the reason"
        # Not from the error, here and below: it holds the value, which may be a secret.
        raise ConfigurationError(f"{name}: {message}") from None
    except SettingsError as error:
        found = _UNREADABLE.search(str(error))
        name = "a PANDA_ setting" if found is None else f"PANDA_{found[1].upper()}"
        raise ConfigurationError(
            f"{name} is no JSON: {error.__cause__ or error}; docs/configuration.md shows its form"
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"a PANDA_ setting cannot be read: {error}") from error
