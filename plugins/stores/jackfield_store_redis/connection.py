"""Redis as the store uses it: three keys, two scripts, bounded in connections and time. Event loop thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from jackfield.errors import ManifestError, PluginError, StoreUnavailable
from jackfield.sealing.book import Header, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from jackfield.sealing.book import Stored
    from jackfield.secret import Secret
    from jackfield_store_redis.config import RedisStoreConfig

CONNECT_S: Final = 1.0
"""How long a connection may take to be made."""

ANSWER_S: Final = 1.5
"""How long Redis may take to answer; less than the port's deadline for reading."""

_READ: Final = """
local rows = {}
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. ARGV[1], '+inf')) do
    rows[#rows + 1] = name
    rows[#rows + 1] = redis.call('HGET', KEYS[2], name)
end
return {redis.call('GET', KEYS[1]), rows}
"""
"""The header, and all rows after a version, as they are at one moment."""

_WRITE: Final = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then
    return 0
end
for i = 3, #ARGV, 3 do
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
    redis.call('ZADD', KEYS[3], ARGV[i + 2], ARGV[i])
end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""
"""Rows and a new header, if the header is still the one that is expected."""

_VERSION_BYTES: Final = 8


class Connection:
    """One Redis server.

    Parameters:
        config: Where it is.
        password: Reads the one that it wants; None where it wants none.
        authority: Certificates that may have signed its own; None goes by the system's.
        option: Key path of the options, for errors.

    Raises:
        PluginError: The package ``redis`` is missing.
    """

    def __init__(
        self, config: RedisStoreConfig, password: Callable[[], Secret] | None, authority: Path | None, *, option: str
    ) -> None:
        try:
            from redis.asyncio import BlockingConnectionPool, Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff

            from jackfield.redis_credentials import Credentials
        except ImportError as error:
            raise PluginError(f"{option}: it needs the package redis: pip install jackfield[store]") from error
        self._option = option
        self._credentials = Credentials(config.username, password) if password is not None else None
        # a write that is sent twice would be taken for somebody else's the second time
        given: dict[str, Any] = {"retry": Retry(NoBackoff(), 0), "socket_timeout": ANSWER_S, "protocol": 2}
        if config.url.startswith("rediss:"):
            given |= {"ssl_ca_certs": str(authority) if authority is not None else None, "ssl_check_hostname": True}
        if not config.url.startswith("unix:"):
            given["socket_connect_timeout"] = CONNECT_S
        pool = BlockingConnectionPool.from_url(
            config.url,
            max_connections=config.connections,
            timeout=CONNECT_S,
            username=(config.username or None) if password is None else None,
            credential_provider=self._credentials,
            **given,
        )
        self._redis = Redis.from_pool(pool)
        # the braces keep all three on one node of a cluster
        self._keys: Final = [f"{{{config.prefix}}}:{name}" for name in ("header", "documents", "changes")]
        self._read = self._redis.register_script(_READ)
        self._write = self._redis.register_script(_WRITE)

    async def header(self) -> Header | None:
        """What stands once; None in a new store.

        Raises:
            StoreUnavailable: Redis does not answer.
            ManifestError: Redis refuses us, or something else is kept there.
        """
        from redis.exceptions import ConnectionError as Broken

        try:
            try:
                found = await self._redis.get(self._keys[0])
            except Broken:  # one that was left over from before Redis was restarted
                found = await self._redis.get(self._keys[0])
        except Exception as error:
            raise self._failed(error) from error
        return self._header(found)

    async def read(self, after: int) -> tuple[Header | None, Sequence[Row]]:
        """The header, and all rows after a version; raises as ``header``."""
        try:
            found, rows = await self._read(keys=self._keys, args=[after])
        except Exception as error:
            raise self._failed(error) from error
        return self._header(found), [self._row(name, value) for name, value in zip(rows[::2], rows[1::2], strict=True)]

    async def write(self, expected: Header | None, stored: Stored) -> bool:
        """Write *stored*, if the header is still *expected*; whether it was. Raises as ``header``."""
        arguments: list[bytes | int] = [b"" if expected is None else _encode(expected), _encode(stored.header)]
        for row in stored.rows:
            value = row.version.to_bytes(_VERSION_BYTES, "big") + row.sealed
            arguments += [f"{row.kind}/{row.name}".encode(), value, row.version]
        try:
            return bool(await self._write(keys=self._keys, args=arguments))
        except Exception as error:
            raise self._failed(error) from error

    async def reload(self) -> None:
        """Connections that are made from now on use the password that there is now."""
        if self._credentials is not None:
            await self._credentials.reload()

    async def close(self) -> None:
        """Close all connections."""
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()

    def _header(self, data: object) -> Header | None:
        if data is None:
            return None
        try:
            return _decode(data if isinstance(data, bytes) else b"")
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ManifestError(
                f"{self._option}.prefix: Redis has something else under that name", param=f"{self._option}.prefix"
            ) from error

    def _row(self, name: bytes, value: bytes | None) -> Row:
        kind, _, rest = name.decode(errors="replace").partition("/")
        if value is None:
            raise ManifestError("the policy store was changed by somebody else than us: a row is missing")
        return Row(kind, rest, int.from_bytes(value[:_VERSION_BYTES], "big"), value[_VERSION_BYTES:])

    def _failed(self, error: Exception) -> Exception:
        """What an error of the library becomes; its text may have an address in it."""
        from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError

        # what a new connection is refused with comes as the cause of another error
        if any(isinstance(each, AuthenticationError | NoPermissionError) for each in (error, error.__cause__)):
            option = f"{self._option}.password"
            return ManifestError(f"{option}: Redis does not let us in", param=option)
        if isinstance(error, ResponseError):
            return StoreUnavailable(f"Redis refuses: {str(error).partition(' ')[0]}")
        return StoreUnavailable(f"Redis does not answer ({type(error).__name__})")


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Header).decode
