"""When keys were last used: noted in memory, written from time to time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from jackfield.errors import CredentialRevoked, StoreUnavailable
from jackfield.ports.identity import Credential, fingerprint
from jackfield.secret import Secret
from jackfield_keys import last_used
from jackfield_keys.issuer import KeysIssuer
from jackfield_keys.last_used import Uses, decoded, encoded, read_last_used, sidecar, united, write_last_used

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.plugins.jackfield_keys.conftest import Keys

Times = Mapping[str, float]


class Writer:
    """Keeps what is written, or fails."""

    def __init__(self) -> None:
        self.written: list[dict[str, float]] = []
        self.fails = 0

    async def __call__(self, times: Times) -> None:
        if self.fails:
            self.fails -= 1
            raise StoreUnavailable("not now")
        self.written.append(dict(times))


def scenario(play: Callable[[Uses, Writer], Awaitable[None]]) -> Writer:
    """What was written in *play*."""
    writer = Writer()

    async def run() -> None:
        async with asyncio.timeout(30):
            await play(Uses("keys", writer), writer)

    asyncio.run(run())
    return writer


async def until(writer: Writer, count: int) -> None:
    """Wait until so many writes were made."""
    while len(writer.written) < count:  # noqa: ASYNC110 -- polled under the deadline
        await asyncio.sleep(0.001)


def test_a_thousand_uses_are_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """A moment after the first; the latest time of each counts."""
    monkeypatch.setattr(last_used, "WRITE_S", 0.01)

    async def play(uses: Uses, writer: Writer) -> None:
        for number in range(1000):
            uses.note(f"00000{number % 2}", float(number))
        await until(writer, 1)
        uses.note("000001", 2000.0)
        await until(writer, 2)

    assert scenario(play).written == [{"000000": 998.0, "000001": 999.0}, {"000001": 2000.0}]


def test_what_waits_is_written_at_the_end() -> None:
    """And where nothing waits, nothing is."""

    async def play(uses: Uses, writer: Writer) -> None:
        uses.note("000000", 1.0)
        await uses.close()
        await uses.close()

    assert scenario(play).written == [{"000000": 1.0}]


def test_what_cannot_be_written_is_written_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what came meanwhile; the log says it once."""
    monkeypatch.setattr(last_used, "WRITE_S", 0.001)

    async def play(uses: Uses, writer: Writer) -> None:
        writer.fails = 2
        for number in range(2):
            uses.note(f"00000{number}", float(number))
            while writer.fails > 1 - number:  # noqa: ASYNC110 -- polled under the deadline
                await asyncio.sleep(0.001)
        uses.note("000000", 7.0)
        await until(writer, 1)

    with capture_logs() as lines:
        assert scenario(play).written[0] == {"000000": 7.0, "000001": 1.0}
    assert [line["event"] for line in lines] == ["when keys were last used cannot be written"]


def test_times_are_united() -> None:
    """The later one; keys that are gone are forgotten."""
    assert united({"a": 1, "b": 5, "gone": 9}, {"a": 2, "b": 3, "c": 4}, {"a", "b", "c"}) == {"a": 2, "b": 5, "c": 4}
    assert decoded(encoded({"0a1b2c": 7.9})) == {"0a1b2c": 7}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"last_used": {"longer than six": 1}}', '{"last_used": {"000000": -1}}']
)
def test_a_file_that_says_nothing_of_it(tmp_path: Path, text: str) -> None:
    """No decision hangs on it; it is written anew."""
    path = sidecar(tmp_path / "keys.toml")
    assert read_last_used(path) == {}
    path.touch(0o600)
    path.write_text(text)
    assert read_last_used(path) == {}
    write_last_used(path, {"000000": 5.0}, {"000000"})
    assert read_last_used(path) == {"000000": 5}
    assert path.stat().st_mode & 0o777 == 0o600


def test_gateways_that_share_a_file_write_into_one(keys: Keys) -> None:
    """Each what it has seen; the listing shows it, and so does the command line."""
    key, other = keys.make("ci"), keys.make("other")
    refused = keys.make("refused")
    keys.file.revoke("refused")
    began = int(time.time())

    async def use(*texts: str) -> KeysIssuer:
        issuer = KeysIssuer("keys", keys.storage())
        for text in texts:
            try:
                await issuer.authenticate(Credential("bearer", Secret(text)))
            except CredentialRevoked:
                continue
        return issuer

    async def play() -> dict[str, bool]:
        one, two = await use(key, refused), await use(other)
        seen = {each.name: each.last_used is not None for each in await one.issued()}
        assert seen == {"ci": True, "other": False, "refused": False}
        await one.close()
        await two.close()
        return {each.name: each.last_used is not None for each in await (await use()).issued()}

    assert asyncio.run(play()) == {"ci": True, "other": True, "refused": False}
    times = keys.file.last_used()
    assert times.keys() == {fingerprint(key), fingerprint(other)}
    assert all(began <= at <= time.time() for at in times.values())
    assert key not in sidecar(keys.path).read_text()
