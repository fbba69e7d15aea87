"""Checks of addresses, and of the folder where running servers are found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jackfield.cli.servers import find
from jackfield.errors import JackfieldError, ManifestError
from jackfield.gateway.certificates import Certificates
from jackfield.gateway.origin import is_loopback
from jackfield.ports.check import CheckResult
from jackfield.runtime_folder import UnsafeFolder, folders, prepare
from jackfield.supervisor import listeners

if TYPE_CHECKING:
    from jackfield.manifest import KernelConfig, Manifest


def runtime_folder() -> CheckResult:
    """Whether servers can leave their control socket there."""
    folder, *_ = folders()
    try:
        prepare(folder)
    except UnsafeFolder as error:
        fix = f"remove {folder}, or set XDG_RUNTIME_DIR to a folder of your own; jackfield workers needs it"
        return CheckResult(level="warn", message=f"{folder} {error}", fix=fix)
    return CheckResult(level="ok", message=str(folder))


def address(manifest: Manifest, key: Literal["listen", "health"]) -> CheckResult:
    """Whether a server could listen there now, or one does."""
    wanted = getattr(manifest.kernel, key)
    try:
        sockets = listeners.bind(wanted, key=f"kernel.{key}", where=manifest.origin(f"kernel.{key}"), listen=False)
    except ManifestError as error:
        pid = _owner(wanted)
        if pid is not None:
            return CheckResult(level="ok", message=f"{wanted}: a running Jackfield server has it (process {pid})")
        fix = f"stop what uses it, or set kernel.{key}"
        return CheckResult(level="error", message=error.message, fix=fix)
    for one in sockets:
        one.close()
    return CheckResult(level="ok", message=f"{wanted} is free")


def tls(manifest: Manifest) -> CheckResult:
    """Whether connections to the API are protected, and until when."""
    config = manifest.kernel
    if config.tls is None:
        return _open(config)
    folder = Path(manifest.file).parent if manifest.file else Path.cwd()
    certificates = Certificates(config.tls, lambda text: (folder / Path(text).expanduser()).absolute())
    if certificates.troubles:
        return CheckResult(level="warn", message="; ".join(certificates.troubles), fix="have it renewed")
    return CheckResult(level="ok", message=f"{config.tls.certificate}: TLS {config.tls.minimum} or newer")


def _open(config: KernelConfig) -> CheckResult:
    if is_loopback(config.listen.rpartition(":")[0]):
        return CheckResult(level="ok", message="none: the API listens on this machine only")
    if config.trusted_proxies:
        return CheckResult(level="ok", message="none: it is left to the proxies in kernel.trusted_proxies")
    return CheckResult(
        level="warn",
        message=f"{config.listen} is reachable from other machines without TLS: others can read keys and answers",
        fix="set kernel.tls, or let a proxy end TLS and name it in kernel.trusted_proxies",
    )


def _owner(wanted: str) -> int | None:
    """Process id of a server of this user that listens at *wanted*."""
    for operator in find():
        with operator:
            try:
                state = operator.state()
            except JackfieldError:
                continue
        if any(url.partition("://")[2] == wanted for url in (*state.api, *state.health)):
            return state.pid
    return None
