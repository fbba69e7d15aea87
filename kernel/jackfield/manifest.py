"""``plugins.toml`` as frozen structs. Where the values come from is ``jackfield.manifest_layers``.

Everything in here is plain data that travels from the supervisor to its children; nothing here imports a plugin.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from typing import Final, Literal, TypeAlias, TypeVar

import msgspec

from jackfield.errors import ChannelError, ManifestError
from jackfield.ports.backend import OptionValue
from jackfield.ports.policy import TAG
from jackfield.secret import holds_secret, read
from jackfield.table_faults import fault
from jackfield.transport import TLSConfig

Table: TypeAlias = Mapping[str, OptionValue]
Where: TypeAlias = "str | Callable[[str], str]"
"""Place of a table, for messages: ``plugins.toml:7``, or a function that knows the place of each key path."""
T = TypeVar("T", bound=msgspec.Struct)

DEFAULT_ENABLED: Final = (
    "llama-cpu",
    "openai",
    "anthropic",
    "ollama",
    "openapi",
    "fcfs",
    "llguidance",
    "kv-memory",
    "sqlite",
    "prometheus",
)
"""What is on without an ``enabled`` key."""

INSTANCE_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}\Z")

PORT_MAX: Final = 65535

SEQUENCES_MAX: Final = 256
"""llama.cpp's ``LLAMA_MAX_SEQ``: sequence ids of one context."""

COMMAND_LINE: Final = "--set"
"""Origin of values that were given on the command line."""

TOP_LEVEL: Final = ("enabled", "kernel", "config", "models")
"""What may stand outside of any table."""


class InstanceRef(msgspec.Struct, frozen=True):
    """One entry of ``enabled``: ``"openai"``, ``"edge=upstream"`` or ``"./my_plugin.py"``."""

    name: str
    """Name of the instance, and of its ``[config.NAME]`` table."""
    plugin: str
    """Entry-point name in the group ``jackfield.plugins``, or the absolute path of a ``.py`` file."""
    defaulted: bool = False
    """Whether nobody asked for it: the packaged default filled a socket that must not stay empty."""


DEFAULT_SCHEDULERS: Final = (InstanceRef("fcfs", "fcfs", defaulted=True),)
"""Fill the scheduler socket where no enabled plugin does: without a scheduler nothing runs."""

DEFAULT_SECRETS: Final = (InstanceRef("secrets", "secrets", defaulted=True),)
"""Give secrets where no enabled plugin does."""

DEFAULT_DIALECTS: Final = tuple(
    InstanceRef(name, name, defaulted=True)
    for name in (
        *("command-r", "deepseek", "gemma", "glm", "granite", "harmony", "llama3", "mistral", "phi", "hermes"),
        "families",
        "json-tools",
    )
)
"""Fill the dialect socket where no enabled plugin does: families with marks of their own first, the one that takes any
template last."""


PLUGIN_TIMEOUT_MAX_S: Final = 50.0
"""A gateway that is not ready after a minute is ended without a word about plugins."""

POLICY_STALE_MIN_S: Final = 0.5
"""A few looks at the store: less would refuse requests for one that was late."""

POLICY_STALE_MAX_S: Final = 300.0
"""Longer, and a revoked key is as good as a valid one."""


class KernelConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[kernel]``: what no plugin decides."""

    listen: str = "127.0.0.1:8080"
    """Address of the API, ``HOST:PORT``; port 0 takes a free one. Beyond loopback it needs an enabled authenticator."""
    health: str = "127.0.0.1:8081"
    """Address of ``/livez``, ``/readyz`` and ``/metrics``. Beyond loopback it serves bare livez and readyz only."""
    tls: TLSConfig | None = None
    """`[kernel.tls]`: encrypted connections to the API. Without it whoever is on the way reads keys and answers."""
    health_metrics: bool = False
    """Serve ``/metrics`` on the health port also beyond loopback."""
    allowed_hosts: tuple[str, ...] = ()
    """Host names, besides loopback ones, that clients may use while no authenticator is enabled."""
    allowed_origins: tuple[str, ...] = ()
    """Web origins (``https://chat.example``) whose pages may call the API and read its answers; those of this machine
    always may. While no authenticator is enabled, all others are refused."""
    body_limit_bytes: int = 16 * 1024 * 1024
    """Largest request body; above it 413."""
    body_budget_bytes: int = 256 * 1024 * 1024
    """Bytes of all request bodies together, each from its arrival to the end of its request; above it 503 with
    ``Retry-After``. At least ``body_limit_bytes``."""
    connections: int = 4096
    """Connections to the API at a time, from everywhere; at most what the system's file limit has room for."""
    connections_per_address: int = 1024
    """Connections to the API at a time from one address (of IPv6, one /64 network), and behind a trusted proxy requests
    at a time."""
    requests_per_connection: int = 1000
    """Requests after which a connection is closed, so that clients find their way to other replicas."""
    header_timeout_s: float = 30.0
    """How long a request's headers may take to arrive."""
    idle_timeout_s: float = 75.0
    """How long a connection may wait for its next request. Longer than what a load balancer in front keeps one."""
    write_timeout_s: float = 60.0
    """How long a client may leave an answer unread, once its buffers are full, before its request is cancelled."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks (``10.0.0.0/8``) or addresses of reverse proxies, which are believed when they say who their client is:
    for limits and logs."""
    trusted_proxy_header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    """The header in which they say it; the other one is ignored, since a client could have sent it."""
    request_timeout_s: float = 0.0
    """Deadline of requests without an ``x-request-timeout-ms`` header; 0 is none. One that cannot begin in time is
    refused at once, one whose time is up while it waits gets 408."""
    overload_status: Literal[429, 503, 529] = 429
    """Status of refusals for lack of room: a full queue, a deadline that cannot be met, too many connections."""
    queue: int = 64
    """Requests per model that may wait for a slot, besides those that run; above it ``overload_status``."""
    default_max_tokens: int = 1024
    """Tokens generated where the request gives no limit; always capped by the room left in the context."""
    drain_s: float = 30.0
    """How long SIGTERM waits for running requests before it ends them."""
    load_at_once: int = 1
    """Models that load at the same time; the others wait their turn, in the order of the manifest. More than one makes
    big models fight for disk and memory."""
    load_timeout_s: float = 600.0
    """How long a worker may take to load its model before it is ended and restarted."""
    step_timeout_s: float = 120.0
    """How long one engine step may take before the worker counts as hung and is restarted."""
    plugin_timeout_s: float = 30.0
    """How long one plugin's import, hook or factory may take at a start; then the process refuses to start and names
    it. At most 50."""
    policy_stale_s: float = 5.0
    """How long the policy store may be out of reach before all requests are refused with 503, 0.5 to 300; it counts
    only where a plugin keeps policies in one."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe messages that are logged."""
    log_format: Literal["auto", "console", "json"] = "auto"
    """auto: console on a terminal, JSON lines elsewhere."""

    def __post_init__(self) -> None:
        for key, address in (("listen", self.listen), ("health", self.health)):
            try:
                split_address(address)
            except ValueError as error:
                raise ValueError(f"{key} {error}") from error
        _at_least("body_limit_bytes", self.body_limit_bytes, 1024)
        if self.body_limit_bytes > 48 * 1024 * 1024:
            raise ValueError("body_limit_bytes must be at most 50331648: a request must fit one channel frame")
        _at_least("body_budget_bytes", self.body_budget_bytes, self.body_limit_bytes)
        self._check_connections()
        _at_least("queue", self.queue, 0)
        _at_least("default_max_tokens", self.default_max_tokens, 1)
        _at_least("drain_s", self.drain_s, 0)
        _at_least("load_at_once", self.load_at_once, 1)
        _at_least("load_timeout_s", self.load_timeout_s, 1)
        _at_least("step_timeout_s", self.step_timeout_s, 1)
        if not 1 <= self.plugin_timeout_s <= PLUGIN_TIMEOUT_MAX_S:
            raise ValueError(f"plugin_timeout_s must be between 1 and {PLUGIN_TIMEOUT_MAX_S:g}")
        if not POLICY_STALE_MIN_S <= self.policy_stale_s <= POLICY_STALE_MAX_S:
            raise ValueError(f"policy_stale_s must be between {POLICY_STALE_MIN_S:g} and {POLICY_STALE_MAX_S:g}")

    def _check_connections(self) -> None:
        for key in ("connections", "connections_per_address", "requests_per_connection"):
            _at_least(key, getattr(self, key), 1)
        for key in ("header_timeout_s", "idle_timeout_s", "write_timeout_s"):
            _at_least(key, getattr(self, key), 0.1)
        _at_least("request_timeout_s", self.request_timeout_s, 0)
        for network in self.trusted_proxies:
            try:
                ip_network(network)
            except ValueError as error:
                raise ValueError(f"trusted_proxies has {network!r}: not a network such as 10.0.0.0/8") from error


class ModelConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[models.NAME]``: one model, served by one worker process."""

    backend: str = "llama-cpu"
    """Name of a backend that an enabled plugin hands over."""
    source: str
    """``jackfield:demo`` or a path; relative paths start at the folder of ``plugins.toml``."""
    context: int | Literal["auto"] = "auto"
    """Longest single request (prompt + answer) in tokens; auto is what the model was trained for, at most 4,096."""
    max_sequences: int = 8
    """Requests that run at once, 1 to 256."""
    kv_tokens: int | Literal["auto"] = "auto"
    """Tokens in the pool all sequences share; auto gives each its context as far as memory allows."""
    context_shift: bool = False
    """At the end of the context drop the older half and go on, instead of ending with ``length``; answers get worse
    without a sign. Needs a model that can."""
    prefix_cache: Literal["principal", "shared", "off"] = "principal"
    """Who shares computed prefixes. principal: requests of one principal only, so that nobody can tell by the time of
    an answer what others asked; shared: all of them; off: nobody."""
    slot_folder: str = ""
    """Folder where clients of llama-server's routes may save what slots have computed; relative paths start at the
    folder of ``plugins.toml``. Empty lets nobody."""
    slot_limit: int = 1 << 30
    """Most bytes of what one principal has saved in it."""
    matryoshka: bool = False
    """Whether the model was trained so that the leading components of its vectors are vectors of their own: clients may
    then ask for fewer ``dimensions``. Model files do not say it, and other models' vectors would be of no use."""
    aliases: tuple[str, ...] = ()
    """Other names that clients may use. Models share one where each has ``tags``, and no two the same ones: a policy
    chooses between them; otherwise the first one listed serves it."""
    tags: tuple[str, ...] = ()
    """Words that policies may choose it by (the obligation ``route``): ``eu``, ``cheap``; small letters, digits and
    . _ - only."""
    dialect: str = "auto"
    """Name of the chat dialect that an enabled plugin hands over; auto goes by the model's chat template, none has
    none: tools are refused, and thoughts are a part of the text."""
    options: dict[str, OptionValue] = {}
    """Overrides of the backend's ``[config.…]`` table for this model."""

    def __post_init__(self) -> None:
        if not self.source:
            raise ValueError("source must not be empty")
        if not 1 <= self.max_sequences <= SEQUENCES_MAX:
            raise ValueError(f"max_sequences must be between 1 and {SEQUENCES_MAX}")
        if self.context != "auto":
            _at_least("context", self.context, 8)
        if self.kv_tokens != "auto":
            _at_least("kv_tokens", self.kv_tokens, 8)
        _at_least("slot_limit", self.slot_limit, 1)
        for tag in self.tags:
            if not TAG.match(tag):
                raise ValueError(f"tags: {tag[:64]!r} is not a tag: small letters, digits and . _ - only, at most 64")


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The whole configuration of one server, merged from all layers and checked except for plugins' own tables."""

    enabled: tuple[InstanceRef, ...]
    """In the order they are asked."""
    kernel: KernelConfig
    config: dict[str, dict[str, OptionValue]] = {}
    """Plugins' tables, undecoded: only the plugin knows its Struct."""
    models: dict[str, ModelConfig] = {}
    origins: dict[str, str] = {}
    """Key path (``kernel.listen``) → layer and place it came from (``plugins.toml:7``, ``JACKFIELD__KERNEL__LISTEN``,
    ``--set``). A key without an entry has its packaged default."""
    file: str | None = None
    """Path of the ``plugins.toml`` in use, or None."""

    def __repr__(self) -> str:
        """Without options, which may be secrets."""
        names = [ref.name for ref in self.enabled]
        return f"<manifest {self.file or 'packaged'}: plugins {names}, models {list(self.models)}>"

    def dump(self) -> bytes:
        """For a child process."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def restore(cls, data: bytes) -> Manifest:
        """What ``dump`` gave; raises ``ChannelError`` for anything else."""
        try:
            return msgspec.msgpack.decode(data, type=cls)
        except msgspec.MsgspecError as error:
            raise ChannelError(f"unreadable manifest: {error}") from error

    def origin(self, key: str) -> str:
        """Where *key* was set, or the nearest table around it, or something in it; ``default`` where nobody set it."""
        return nearest_origin(self.origins, key)


def nearest_origin(origins: Mapping[str, str], key: str) -> str:
    """The place in *origins* that a message about the key path *key* should name. See ``Manifest.origin``."""
    outer = key.partition("[")[0]
    inner = outer + "."
    while outer:
        if outer in origins:
            return origins[outer]
        outer = outer.rpartition(".")[0]
    return next((origin for path, origin in origins.items() if path.startswith(inner)), "default")


def split_address(text: str) -> tuple[str, int]:
    """Host and port of ``127.0.0.1:8080``, ``localhost:0`` or ``[::1]:8080``.

    Raises:
        ValueError: It is none of these; the message continues a sentence that begins with the key's name.
    """
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    if not colon or not port.isascii() or not port.isdigit() or int(port[:6]) > PORT_MAX:
        raise ValueError("must be HOST:PORT, with a port from 0 to 65535")
    if not host:
        raise ValueError("must name a host; 0.0.0.0 and [::] are all addresses of this machine")
    if bracketed != (":" in host):
        raise ValueError("must have an IPv6 address in brackets, and nothing else: [::1]:8080")
    return host, int(port)


def decode_table(table: Table, struct: type[T], key: str, where: Where) -> T:
    """Decode one table of the manifest.

    Parameters:
        table: Keys and values as TOML gave them.
        struct: The frozen Struct it must fit.
        key: Key path of the table, for messages: ``config.llama-cpu``.
        where: File and line, or layer, for messages.

    Raises:
        ManifestError: ``param`` is the key path at fault; the message has it, the place, and a suggestion for a
            misspelt key.
    """
    fields = struct.__struct_encode_fields__
    refuse_unknown_keys(table, known=fields, key=key, where=where)
    try:
        decoded = msgspec.convert(table, struct, dec_hook=read)
    except (msgspec.ValidationError, ValueError) as error:
        inner, text = fault(str(error), table, struct)
        path = key + inner
        raise ManifestError(f"{_place(where, path)}: {path}: {text}", param=path) from error
    for attribute, name in zip(struct.__struct_fields__, fields, strict=True):
        if name in table and holds_secret(getattr(decoded, attribute)):
            _refuse_open_secret(f"{key}.{name}", where)
    return decoded


def refuse_unknown_keys(table: Table, *, known: tuple[str, ...], key: str, where: Where) -> None:
    """Raise ``ManifestError`` for the first key of *table* that is not in *known*.

    The message says where the key belongs, or the nearest known one.
    """
    for name in table:
        if name in known:
            continue
        path = f"{key}.{name}" if key else name
        hint = _home(name, key) or suggestion(name, known)
        raise ManifestError(f"{_place(where, path)}: unknown key {path}{hint}", param=path)


def suggestion(name: str, known: tuple[str, ...]) -> str:
    """``"; did you mean …?"``, or the list of what there is, or nothing."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known: {', '.join(sorted(known))}" if known else ""


def _refuse_open_secret(path: str, where: Where) -> None:
    if _place(where, path) == COMMAND_LINE:
        variable = "__".join(re.sub(r"[^A-Z0-9]", "_", part.upper()) for part in path.split("."))
        raise ManifestError(
            f"{COMMAND_LINE}: {path}: every user of this machine can read command lines; write the secret into"
            f" plugins.toml, or into the environment variable JACKFIELD__{variable}",
            param=path,
        )


def _home(name: str, key: str) -> str:
    """Where a key belongs that landed in the table *key*: TOML ends a table only where the next one begins."""
    if key and name in TOP_LEVEL:
        return f"; {name} belongs to the top of the file, above the first [table]"
    if key != "kernel" and name in KernelConfig.__struct_fields__:
        return f"; {name} belongs to [kernel]"
    return ""


def _place(where: Where, path: str) -> str:
    return where if isinstance(where, str) else where(path)


def _at_least(name: str, value: float, low: float) -> None:
    if not (math.isfinite(value) and value >= low):
        raise ValueError(f"{name} must be at least {low:g}")
