"""What the plugin hands over, its options, and its documents."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest
from tests.plugins.jackfield_limits.counting import NOON, Clock, claim, in_memory, left, principal

from jackfield.errors import InvalidRequest, LimitExceeded, ManifestError, PluginError
from jackfield.ports.policy_store import Governed
from jackfield.testing.kits.kit import kernel_of
from jackfield_limits.config import Rule

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jackfield.ports.limiter import Claim

RULE = '[[config.limits.rules]]\nname = "r"\nrequests = { minute = 1 }\n'


def test_it_hands_over_a_limiter(tmp_path: Path) -> None:
    """By ``jackfield_limiters``, under the instance's name; two instances count apart."""
    kernel = kernel_of('enabled = ["limits", "more=limits"]\n[config.more]\nfile = "more.snapshot"', str(tmp_path))
    assert list(kernel.limiters()) == ["limits", "more"]


def test_without_its_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install."""
    factory = kernel_of('enabled = ["limits"]', str(tmp_path)).limiters()["limits"]
    monkeypatch.setitem(sys.modules, "limits", None)
    for name in [name for name in sys.modules if name.startswith("jackfield_limits.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(PluginError, match=r"pip install 'jackfield\[limits\]'"):
        factory()


def test_two_gateways_do_not_count_in_one_file(tmp_path: Path) -> None:
    """The second one does not start."""
    factory = kernel_of('enabled = ["limits"]\n' + RULE, str(tmp_path)).limiters()["limits"]
    first = factory()
    with pytest.raises(PluginError, match=r"another gateway counts in limits\.snapshot"):
        factory()
    asyncio.run(first.close())
    asyncio.run(factory().close())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ('[[config.limits.rules]]\nname = "r"', "limits nothing"),
        ("[[config.limits.rules]]\nrequests = { minute = 1 }", "needs a name"),
        (RULE + RULE, "two rules have the name r"),
        ('[[config.limits.rules]]\nname = "r"\nrequests = { week = 1 }', "week"),
        ('[[config.limits.rules]]\nname = "r"\nrequests = { minute = 0 }', "requests.minute must be between"),
        ('[[config.limits.rules]]\nname = "r"\nrequests = { minute = -5 }', "requests.minute must be between"),
        ('[[config.limits.rules]]\nname = "r"\nmoney = { month = 1e9 }', "money.month must be"),
        ('[[config.limits.rules]]\nname = "r"\nqueue_share = 1.5', "queue_share must be"),
        ('[[config.limits.rules]]\nname = "r"\nconcurrency = 0', "concurrency must be"),
        ('[[config.limits.rules]]\nname = "r"\nper = ["key", "key"]\nconcurrency = 1', "twice"),
        ('[[config.limits.rules]]\nname = "r"\nper = ["planet"]\nconcurrency = 1', "planet"),
        ('[[config.limits.rules]]\nname = "a\\nb"\nconcurrency = 1', "name must be"),
        ('[config.limits]\ncurrency = "$"', "currency"),
        ("[config.limits.prices.demo]\ninput = -1.0", "input must be between"),
        ('[config.limits.redis]\nurl = "http://x"', "url must begin"),
        ('[config.limits.redis]\nurl = "redis://:secret@host"', "no user and password"),
        ('[config.limits]\nbackend = "disk"', "backend"),
    ],
)
def test_options_that_cannot_be(tmp_path: Path, options: str, said: str) -> None:
    """An error at the start that names what is wrong, and no secret."""
    with pytest.raises(ManifestError, match=said) as caught:
        kernel_of('enabled = ["limits"]\n' + options, str(tmp_path)).limiters()
    assert "secret" not in caught.value.message


# --- whom a rule is about --------------------------------------------------------------------------------------------

CALLER = principal("ci-nightly", team="research", tenant_name="acme", tags=frozenset({"free", "beta"}))


@pytest.mark.parametrize(
    ("fields", "applies"),
    [
        ({}, True),
        ({"keys": ("ci-*",)}, True),
        ({"keys": ("ann", "ci-[m-o]?ghtly")}, True),
        ({"keys": ("ci",)}, False),
        ({"keys": ("CI-*",)}, False),
        ({"teams": ("re*",)}, True),
        ({"teams": ("",)}, False),
        ({"tenants": ("acme",)}, True),
        ({"tenants": ("a",)}, False),
        ({"tags": ("paid", "free")}, True),
        ({"tags": ("fr*",)}, False),
        ({"models": ("demo",)}, True),
        ({"models": ("large-*",)}, False),
        ({"actions": ("embed",)}, False),
        ({"actions": ("generate",), "teams": ("research",), "keys": ("x",)}, False),
    ],
)
def test_whom_a_rule_is_about(fields: Mapping[str, tuple[str, ...]], *, applies: bool) -> None:
    """All that it names must fit; what it does not name fits all."""

    async def scenario() -> None:
        limiter = in_memory(Clock(), Rule(name="r", requests={"minute": 1}, **fields))  # type: ignore[arg-type]  # a keyword per field
        reservation = await limiter.reserve(claim(principal=CALLER))
        assert bool(reservation.standings) == applies

    asyncio.run(scenario())


def test_callers_that_nobody_knows() -> None:
    """Are limited by rules for all, together; not by those for some keys, teams, tenants or tags."""

    async def scenario() -> None:
        rules = (
            Rule(name="all", per=("key",), requests={"minute": 1}),
            Rule(name="some", keys=("*",), concurrency=1),
            Rule(name="tagged", tags=("x",), concurrency=1),
        )
        limiter = in_memory(Clock(), *rules)
        await limiter.reserve(claim(principal=None))
        with pytest.raises(LimitExceeded) as refused:
            await limiter.reserve(claim(principal=None))
        assert refused.value.scope == "key"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("per", "same", "other"),
    [
        ((), {"model": "x"}, None),
        (("key",), {"model": "x"}, {"principal": principal("bob")}),
        (("team",), {"principal": principal("bob", team="a")}, {"principal": principal("bob", team="b")}),
        (("tenant",), {"principal": principal("ann", team="b")}, {"principal": principal(tenant_name="acme")}),
        (("end_user",), {"principal": principal("bob")}, {"user": "b"}),
        (("user",), {"principal": principal("bob", user="u", team="a")}, {"principal": principal("bob", user="v")}),
        (("model",), {"principal": principal("bob")}, {"model": "x"}),
        (("key", "model"), {"user": "b"}, {"model": "x"}),
        (("team", "model"), {"principal": principal("bob", team="a")}, {"model": "x"}),
    ],
)
def test_whose_counters(per: tuple[str, ...], same: Mapping[str, object], other: Mapping[str, object] | None) -> None:
    """Each has its own, and shares them with nobody else."""

    async def scenario() -> None:
        limiter = in_memory(Clock(), Rule(name="r", per=per, requests={"minute": 2}))  # type: ignore[arg-type]  # subjects
        usual: Claim = claim(principal=principal("ann", team="a", user="u"), user="a")
        await limiter.reserve(usual)
        changed = {"principal": usual.principal, "user": usual.user, **same}
        again = await limiter.reserve(claim(**changed))  # type: ignore[arg-type]  # a keyword per field
        assert left(again.standings, "requests") == 0
        if other is not None:
            apart = await limiter.reserve(claim(**{"principal": usual.principal, "user": usual.user, **other}))  # type: ignore[arg-type]  # as above
            assert left(apart.standings, "requests") == 1

    asyncio.run(scenario())


# --- documents -------------------------------------------------------------------------------------------------------


def test_rules_from_the_policy_store() -> None:
    """They join those of the options, take the place of one of the same name, and leave its counters as they are."""

    async def scenario() -> None:
        limiter = in_memory(Clock(), Rule(name="hour", requests={"hour": 2}))
        assert isinstance(limiter, Governed)
        assert limiter.document_kind == "limit"
        await limiter.reserve(claim())
        documents = {"hour": b'{"requests": {"hour": 10}}', "day": b'{"tokens": {"day": 100}, "per": ["key"]}'}
        await limiter.check(documents)
        await limiter.adopt(documents)
        reservation = await limiter.reserve(claim(30))
        assert left(reservation.standings, "requests") == 8
        assert left(reservation.standings, "tokens") == 70
        await limiter.adopt({})
        with pytest.raises(LimitExceeded, match="2 requests an hour"):
            await limiter.reserve(claim())

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("content", "param"),
    [
        (b"{", "limit/broken"),
        (b'{"requests": {"minute": "many"}}', "limit/broken.requests"),
        (b'{"requests": {"minute": 1}, "colour": 1}', "limit/broken"),
        (b"{}", "limit/broken"),
    ],
)
def test_documents_that_cannot_be(content: bytes, param: str) -> None:
    """Are refused by name and field."""

    async def scenario() -> None:
        with pytest.raises(InvalidRequest) as refused:
            await in_memory(Clock()).check({"broken": content})
        assert refused.value.param is not None
        assert refused.value.param.startswith(param)

    asyncio.run(scenario())


# --- a file that outlives the gateway --------------------------------------------------------------------------------


def test_what_is_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts and hashes, for nobody else to read; places are free after a restart."""
    monkeypatch.setattr("time.time", Clock(NOON))
    text = 'enabled = ["limits"]\n' + RULE.replace("minute = 1", "minute = 3") + "concurrency = 1\n"

    async def scenario() -> None:
        first = kernel_of(text, str(tmp_path)).limiters()["limits"]()
        await first.reserve(claim(principal=principal("ann-the-admin")))
        await first.close()
        file = tmp_path / "limits.snapshot"
        assert file.stat().st_mode & 0o777 == 0o600
        assert b"ann" not in file.read_bytes()
        second = kernel_of(text, str(tmp_path)).limiters()["limits"]()
        reservation = await second.reserve(claim(principal=principal("ann-the-admin")))
        assert left(reservation.standings, "requests") == 1
        await second.close()

    asyncio.run(scenario())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["limits.snapshot", "limits.snapshot.lock"]


def test_it_is_written_while_it_runs(tmp_path: Path) -> None:
    """At intervals: a gateway that is killed forgets no more than that."""
    text = f'enabled = ["limits"]\n[config.limits]\nsnapshot_s = 0.05\n{RULE}'

    async def scenario() -> None:
        limiter = kernel_of(text, str(tmp_path)).limiters()["limits"]()
        await limiter.reserve(claim())
        async with asyncio.timeout(60):
            while not (tmp_path / "limits.snapshot").exists():  # noqa: ASYNC110 -- a file tells nobody
                await asyncio.sleep(0.01)
        await limiter.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\0" * 100,
        b'{"version": 2, "saved": 1.0, "counters": []}',
        b'{"version": 1, "saved": 1.0, "counters": [["x", 1, 1, 1]]}',
        b'{"version": 1, "saved": 1.0, "counters": [["x:requests:minute", 1, -1, 1]]}',
        b'{"version": 1, "saved": 1.0, "counters": [["x:requests:minute", "a"]]}',
    ],
)
def test_a_damaged_file(tmp_path: Path, content: bytes) -> None:
    """The gateway starts, counts anew and says so; the next file is good again."""
    (tmp_path / "limits.snapshot").write_bytes(content)

    async def scenario() -> None:
        for troubles in (1, 0):
            limiter = kernel_of('enabled = ["limits"]\n' + RULE.replace("minute", "month"), str(tmp_path)).limiters()[
                "limits"
            ]()
            assert len(limiter.troubles) == troubles  # type: ignore[attr-defined]  # ours has some
            with_room = await limiter.reserve(claim())
            await with_room.release()
            await limiter.close()

    asyncio.run(scenario())


def test_a_file_that_is_no_file(tmp_path: Path) -> None:
    """A link or a folder is not followed, and is a trouble, not a crash."""
    (tmp_path / "limits.snapshot").mkdir()

    async def scenario() -> None:
        limiter = kernel_of('enabled = ["limits"]\n' + RULE, str(tmp_path)).limiters()["limits"]()
        await limiter.reserve(claim())
        await limiter.close()
        assert len(limiter.troubles) == 2  # type: ignore[attr-defined]  # ours has some

    asyncio.run(scenario())
