"""``Secret``: whatever is done to show it shows three stars; as an option it works like any other text."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import pprint
import traceback
from typing import TYPE_CHECKING

import msgspec
import pytest
import structlog

from jackfield.errors import ManifestError
from jackfield.logs import configure_logs
from jackfield.manifest import Manifest, decode_table
from jackfield.manifest_layers import load_manifest
from jackfield.secret import Secret, holds_secret, read, show

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

HUNTER = "hunter-2-heliotrope"


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a plugin may have."""

    token: Secret = Secret("")
    tokens: tuple[Secret, ...] = ()
    by_host: dict[str, Secret] = {}
    url: str = ""


class Inner(msgspec.Struct, frozen=True):
    """A table in a table."""

    token: Secret


class Outer(msgspec.Struct, frozen=True):
    """Around it."""

    inner: Inner


SHOWN: Mapping[str, Callable[[Secret], str]] = {
    "str": str,
    "repr": repr,
    "format": "{}".format,
    "a width": "{:>40}".format,
    "!r": "{!r}".format,
    "%s": lambda secret: "%s" % secret,  # noqa: UP031
    "%r": lambda secret: "%r" % secret,  # noqa: UP031
    "ascii": ascii,
    "a list": lambda secret: str([secret]),
    "a dict": lambda secret: str({"key": secret}),
    "pprint": pprint.pformat,
    "a struct": lambda secret: repr(Options(token=secret)),
    "json": lambda secret: json.dumps({"key": secret}, default=repr),
    "msgspec json": lambda secret: msgspec.json.encode(Options(token=secret), enc_hook=show).decode(),
    "msgspec msgpack": lambda secret: repr(msgspec.msgpack.encode(secret, enc_hook=show)),
    "builtins": lambda secret: repr(msgspec.to_builtins(Options(token=secret), enc_hook=show)),
    "an exception": lambda secret: "".join(traceback.format_exception(ValueError(secret))),
}


@pytest.mark.parametrize("how", SHOWN.values(), ids=list(SHOWN))
def test_nothing_shows_it(how: Callable[[Secret], str]) -> None:
    """Three stars, whatever its length."""
    text = how(Secret(HUNTER))
    assert "***" in text
    assert HUNTER not in text
    assert len(how(Secret("x"))) == len(text)


@pytest.mark.parametrize(
    "how",
    [json.dumps, msgspec.json.encode, msgspec.msgpack.encode, msgspec.to_builtins, pickle.dumps, bytes],
    ids=["json", "msgspec json", "msgspec msgpack", "builtins", "pickle", "bytes"],
)
def test_what_would_carry_it_away_refuses(how: Callable[[object], object]) -> None:
    """Without a word about it."""
    with pytest.raises(TypeError) as error:
        how(Secret(HUNTER))
    assert HUNTER not in str(error.value)


def test_it_is_a_value() -> None:
    """Equal, hashable, empty or not, copied as itself."""
    secret = Secret(HUNTER)
    assert secret == Secret(HUNTER)
    assert secret != Secret("other")
    assert secret != HUNTER
    assert {secret: 1}[Secret(HUNTER)] == 1
    assert secret
    assert not Secret("")
    assert copy.deepcopy({"key": secret})["key"] is copy.copy(secret) is secret
    assert secret.reveal() == HUNTER
    assert not hasattr(secret, "__dict__")


@pytest.mark.parametrize("form", ["json", "console"])
def test_logs_do_not_show_it(form: str, capfd: pytest.CaptureFixture[str]) -> None:
    """As a field, inside one, and in a message of the standard library's loggers."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        configure_logs("debug", form)  # type: ignore[arg-type]  # one of them
        log = structlog.get_logger("test")
        log.info("event", token=Secret(HUNTER), many=[Secret(HUNTER)], options=Options(token=Secret(HUNTER)))
        logging.getLogger("jackfield.plugin").warning("with %s and %r", Secret(HUNTER), Secret(HUNTER))
        logging.getLogger("somebody").warning("sent Authorization: Bearer %s", HUNTER)
    finally:
        structlog.reset_defaults()
        root.handlers[:] = handlers
        root.setLevel(level)
    printed = capfd.readouterr().err
    assert printed.count("***") >= 5
    assert HUNTER not in printed


def test_as_an_option() -> None:
    """A text in TOML; also in lists and tables."""
    options = decode_table(
        {"token": HUNTER, "tokens": [HUNTER], "by_host": {"a": HUNTER}, "url": "x"},
        Options,
        "config.x",
        "plugins.toml:7",
    )
    assert [options.token, *options.tokens, *options.by_host.values()] == [Secret(HUNTER)] * 3
    assert options.url == "x"


@pytest.mark.parametrize("value", [12345678, 1.5, True, [HUNTER], {"a": HUNTER}])
def test_what_is_no_text(value: object) -> None:
    """A clear error that does not repeat it."""
    with pytest.raises(ManifestError, match=r"config\.x\.token: expected a text in quotes") as error:
        decode_table({"token": value}, Options, "config.x", "plugins.toml:7")  # type: ignore[dict-item]
    assert HUNTER not in str(error.value)
    assert "12345678" not in str(error.value)


@pytest.mark.parametrize(
    "arguments",
    [
        f"config.x.token={HUNTER}",
        f'config.x.tokens=["{HUNTER}"]',
        f'config.x={{"token": "{HUNTER}"}}',
        f"config.x.by_host.a={HUNTER}",
    ],
)
def test_a_secret_on_the_command_line_is_refused(arguments: str, tmp_path: Path) -> None:
    """Every user can read command lines; the message says where it belongs."""
    file = tmp_path / "plugins.toml"
    file.write_text('enabled = ["x=openai"]\n')
    manifest = load_manifest(file, sets=[arguments], environ={})
    with pytest.raises(ManifestError, match=r"--set: config\.x\..*JACKFIELD__CONFIG__X__") as error:
        decode_table(manifest.config["x"], Options, "config.x", manifest.origin)
    assert HUNTER not in error.value.message


def test_other_options_on_the_command_line_are_fine(tmp_path: Path) -> None:
    """Also beside a secret that stands in the file, or has its default."""
    file = tmp_path / "plugins.toml"
    file.write_text(f'enabled = ["x=openai"]\n[config.x]\ntoken = "{HUNTER}"\n')
    manifest = load_manifest(file, sets=["config.x.url=http://x"], environ={})
    options = decode_table(manifest.config["x"], Options, "config.x", manifest.origin)
    assert options == Options(token=Secret(HUNTER), url="http://x")


def test_from_the_environment(tmp_path: Path) -> None:
    """Where secrets of containers come from."""
    file = tmp_path / "plugins.toml"
    file.write_text('enabled = ["x=openai"]\n')
    manifest = load_manifest(file, environ={"JACKFIELD__CONFIG__X__TOKEN": HUNTER})
    assert decode_table(manifest.config["x"], Options, "config.x", manifest.origin).token.reveal() == HUNTER


def test_the_manifest_carries_it_and_does_not_show_it(tmp_path: Path) -> None:
    """Children need it; nobody else does."""
    file = tmp_path / "plugins.toml"
    file.write_text(f'enabled = ["x=openai"]\n[config.x]\ntoken = "{HUNTER}"\n')
    manifest = load_manifest(file, environ={})
    assert HUNTER not in repr(manifest)
    restored = Manifest.restore(manifest.dump())
    assert decode_table(restored.config["x"], Options, "config.x", restored.origin).token.reveal() == HUNTER


@pytest.mark.parametrize(
    ("value", "holds"),
    [
        (Secret("x"), True),
        ([1, Secret("x")], True),
        ({"a": {"b": Secret("x")}}, True),
        (Outer(Inner(Secret("x"))), True),
        ("x", False),
        (Options(), True),
        ({"a": [1, "x", None]}, False),
    ],
)
def test_where_secrets_are_found(value: object, *, holds: bool) -> None:
    """At any depth."""
    assert holds_secret(value) == holds


@pytest.mark.parametrize("hook", [lambda: show(object()), lambda: read(bytes, b"")], ids=["show", "read"])
def test_hooks_know_nothing_else(hook: Callable[[], object]) -> None:
    """A type that msgspec does not know is no secret."""
    with pytest.raises(NotImplementedError):
        hook()
