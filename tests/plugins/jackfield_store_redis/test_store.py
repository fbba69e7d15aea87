"""What Redis holds, who may change it, and when it cannot be reached."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import redis
from tests.plugins.jackfield_store_redis.conftest import KEY, Place

from jackfield.errors import ManifestError, PluginError, StoreUnavailable
from jackfield.manifest_layers import load_manifest
from jackfield.plugins import build_kernel
from jackfield.ports.policy_store import DocumentName
from jackfield.secret import Secret
from jackfield_store_redis import connection
from jackfield_store_redis.config import RedisStoreConfig

if TYPE_CHECKING:
    from pathlib import Path

    from jackfield.ports.policy_store import Changes
    from jackfield.testing.redis_server import RedisServer
    from jackfield_store_redis.store import RedisPolicyStore

A, B = DocumentName("limit", "a"), DocumentName("limit", "b")


async def filled(store: RedisPolicyStore) -> int:
    """Two documents, each written at a version of its own."""
    await store.since(0)
    return await store.change(await store.change(0, {A: b'{"of": "a"}'}), {B: b'{"of": "b"}'})


async def everything(store: RedisPolicyStore) -> Changes:
    """All that there is."""
    return await store.since(0)


def editor(place: Place) -> Any:
    """Somebody who can write to the same Redis."""
    return redis.Redis.from_url(place.server.url)


def keys(place: Place) -> tuple[str, str, str]:
    """What is kept where."""
    return (f"{{{place.prefix}}}:header", f"{{{place.prefix}}}:documents", f"{{{place.prefix}}}:changes")


def test_one_store_with_its_options(tmp_path: Path, shared_server: RedisServer) -> None:
    """Under the instance's name."""
    (tmp_path / "k").touch(mode=0o600)
    (tmp_path / "k").write_text("ab" * 32)
    file = tmp_path / "plugins.toml"
    options = f'url = "{shared_server.url}"\nkey = "file:k"\nprefix = "one-store"'
    file.write_text(f'enabled = ["secrets", "rules=store-redis"]\n[config.rules]\n{options}\n')
    [(name, factory)] = build_kernel(load_manifest(file, environ={})).policy_stores().items()
    assert name == "rules"

    async def body() -> int:
        store = factory()
        version = await store.change(0, {A: b"1"})
        await store.close()
        return version

    assert asyncio.run(body()) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "http://localhost"),
        ("url", "redis://:secret@localhost/0"),
        ("url", "redis://localhost/0?password=x"),
        ("prefix", "a b"),
        ("prefix", "{a}"),
        ("ca_file", "ca.pem"),
        ("connections", 0),
    ],
)
def test_options_that_cannot_be(field: str, value: object) -> None:
    """A password in a URL would be shown with it."""
    with pytest.raises((ValueError, msgspec.ValidationError), match=field):
        msgspec.convert({field: value}, RedisStoreConfig)


def test_a_missing_package_says_what_to_install(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra."""
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(PluginError, match=r"pip install jackfield\[store\]"):
        place.open()


def test_nothing_of_a_document_is_readable_in_redis(place: Place) -> None:
    """Names, versions and sizes are."""

    async def use(store: RedisPolicyStore) -> None:
        await store.since(0)
        await store.change(0, {A: b"a word that nobody else has"})

    place.run(use)
    header, documents, _ = keys(place)
    with editor(place) as client:
        kept = [client.get(header), *client.hgetall(documents).values()]
    assert not any(b"a word" in each for each in kept)


def test_another_key_is_refused(place: Place) -> None:
    """By the name of its option."""
    place.run(filled)
    place.secrets = {"config.store-redis.key": Secret("11" * 32)}
    with pytest.raises(ManifestError, match=r"config\.store-redis\.key"):
        place.run(everything)


@pytest.mark.parametrize("what", ["swapped", "removed", "row", "header", "cleared", "older"])
def test_what_somebody_else_has_changed_is_noticed(place: Place, what: str) -> None:
    """By a server that runs, or at the next start."""
    header, documents, changes = keys(place)

    async def use(store: RedisPolicyStore) -> None:
        await store.since(0)
        await store.change(0, {A: b"1"})
        with editor(place) as client:
            kept = client.hgetall(documents), client.zrange(changes, 0, -1, withscores=True)
            version = await store.change(1, {B: b"2", A: b"3"})
            if what == "swapped":
                client.hset(documents, "limit/a", client.hget(documents, "limit/b"))
            elif what == "removed":
                client.hdel(documents, "limit/a")
            elif what == "row":
                client.zrem(changes, "limit/a")
            elif what == "header":
                client.set(header, b"\xc1")
            elif what == "cleared":
                client.delete(header, documents, changes)
            else:
                client.hset(documents, mapping=kept[0])
                client.zadd(changes, dict(kept[1]))
        # who has seen the newer documents has no use for older ones
        if what not in {"removed", "row", "older"}:
            with pytest.raises(ManifestError):
                await store.since(version - 1)

    place.run(use)
    if what != "cleared":
        with pytest.raises(ManifestError):
            place.run(everything)


def test_a_rotated_key_is_taken_up_by_those_that_have_it(place: Place) -> None:
    """Others say so."""

    async def use(store: RedisPolicyStore) -> None:
        await filled(store)
        old = place.secrets["config.store-redis.key"]
        place.secrets = {"config.store-redis.key": Secret("22" * 32), "config.store-redis.old_key": old}
        rotating = place.open()
        assert await rotating.rotate(lambda _count: None) == 2
        assert len((await store.since(0)).documents) == 2
        assert await store.change(2, {A: None}) == 3
        place.secrets = {"config.store-redis.key": old}
        late = place.open()
        with pytest.raises(ManifestError, match="another key"):
            await late.since(0)
        await rotating.close()
        await late.close()

    place.run(use)


def test_redis_that_is_away_is_said_in_time_and_found_again(
    own_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped, started again, or hanging: every call ends."""
    monkeypatch.setattr(connection, "ANSWER_S", 0.3)
    place = Place(own_server)

    async def use(store: RedisPolicyStore) -> None:
        await filled(store)
        own_server.pause()
        for call in (store.since(2), store.change(2, {A: b"3"}), store.since(0)):
            with pytest.raises(StoreUnavailable):
                await call
        own_server.resume()
        # the change may have been waiting there
        version = (await store.since(0)).version
        assert version in {2, 3}
        own_server.stop()
        for call in (store.since(version), store.change(version, {A: b"3"})):
            with pytest.raises(StoreUnavailable, match="does not answer"):
                await call
        own_server.start()
        with pytest.raises(ManifestError, match="not in Redis any more"):
            await store.since(version)

    place.run(use)
    assert place.run(everything).version == 0


def test_an_answer_that_nobody_waited_for_is_nobody_elses(own_server: RedisServer) -> None:
    """A call that was given up leaves its connection, with whatever comes on it."""
    place = Place(own_server)

    async def use(store: RedisPolicyStore) -> None:
        await filled(store)
        for _ in range(3):
            own_server.pause()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(store.since(0), 0.05)
            own_server.resume()
            assert (await store.since(1)).documents == {B: b'{"of": "b"}'}
            assert len((await store.since(0)).documents) == 2

    place.run(use)


def test_connections_are_made_anew_after_a_restart(own_server: RedisServer) -> None:
    """Those that were kept are of no use, which nobody needs to know."""
    place = Place(own_server)

    async def use(store: RedisPolicyStore) -> None:
        await filled(store)
        with editor(place) as client:
            client.client_kill_filter(_type="normal", skipme=True)
        assert (await store.since(2)).version == 2

    place.run(use)


def test_many_calls_share_few_connections(place: Place) -> None:
    """They wait for each other."""

    async def use(store: RedisPolicyStore) -> int:
        await filled(store)
        found = await asyncio.gather(*(store.since(0) for _ in range(200)))
        return len(found)

    assert place.run(use) == 200
    with editor(place) as client:
        assert client.info("clients")["connected_clients"] <= 8


def test_a_password_that_redis_refuses_is_named(own_server: RedisServer) -> None:
    """By its option, and the right one is let in."""
    place = Place(own_server)
    with editor(place) as client:
        client.config_set("requirepass", "sesame")
    for password in (None, Secret("wrong")):
        place.password = password
        with pytest.raises(ManifestError, match=r"config\.store-redis\.password") as refused:
            place.run(everything)
        assert "wrong" not in refused.value.message
    place.password = Secret("sesame")
    assert place.run(filled) == 2


def test_a_rotated_password_is_used_by_new_connections(own_server: RedisServer) -> None:
    """Those that are open are Redis's business."""
    place = Place(own_server)
    with editor(place) as client:
        client.config_set("requirepass", "sesame")
    place.password = Secret("wrong")

    async def use(store: RedisPolicyStore) -> int:
        with pytest.raises(ManifestError):
            await everything(store)
        place.password = Secret("sesame")
        await store.reload()
        return await filled(store)

    assert place.run(use) == 2


def test_a_key_that_is_not_the_stores_is_said_when_secrets_are_read_again(place: Place) -> None:
    """What was read is read and written on; a store that is not there yet is none of it."""

    async def use(store: RedisPolicyStore) -> int:
        await store.reload()
        await filled(store)
        place.secrets = {"config.store-redis.key": Secret("11" * 32)}
        with pytest.raises(ManifestError, match=r"config\.store-redis\.key: .* another key"):
            await store.reload()
        version = (await store.since(0)).version
        assert await store.change(version, {DocumentName("limit", "on"): b"1"}) == version + 1
        place.secrets["config.store-redis.old_key"] = KEY
        await store.reload()
        return len((await store.everything()).documents)

    assert place.run(use) > 0
