"""``mtls``: certificates of clients: an authenticator that says whose they are.

Only hook implementations stand here; the authenticator is imported when a gateway makes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import hookimpl
from jackfield_mtls.config import MtlsConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield import PluginInstance
    from jackfield.ports.identity import Authenticator, AuthenticatorFactory

JACKFIELD_API = (0, 1)


@hookimpl
def jackfield_config() -> type[MtlsConfig]:
    """``[config.mtls]``."""
    return MtlsConfig


@hookimpl
def jackfield_authenticators(instance: PluginInstance) -> Mapping[str, AuthenticatorFactory]:
    """One authenticator for all rules, under the instance's name."""
    config = instance.config(MtlsConfig)

    def make() -> Authenticator:
        from jackfield.errors import ManifestError
        from jackfield_mtls.authenticator import CertificateAuthenticator

        if not config.rules:
            key = f"config.{instance.name}.rules"
            raise ManifestError(f"{key} is empty: say whose certificates are good, [{key}.NAME]", param=key)
        files = [instance.path(each) for each in config.revocations]
        return CertificateAuthenticator(config.rules, files)

    return {instance.name: make}
