"""Tokens of OpenID Connect issuers, Kubernetes among them: an authenticator that knows their keys.

Only hook implementations stand here; joserfc and aiohttp are imported when a gateway makes the authenticator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import hookimpl
from jackfield_oidc.config import OidcConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield import PluginInstance
    from jackfield.ports.check import Check, CheckFactory
    from jackfield.ports.identity import Authenticator, AuthenticatorFactory

JACKFIELD_API = (0, 1)


@hookimpl
def jackfield_config() -> type[OidcConfig]:
    """``[config.oidc]``."""
    return OidcConfig


@hookimpl
def jackfield_authenticators(instance: PluginInstance) -> Mapping[str, AuthenticatorFactory]:
    """One authenticator for all its issuers, under the instance's name."""
    config = instance.config(OidcConfig)

    def make() -> Authenticator:
        from jackfield.errors import ManifestError, PluginError

        if not config.issuers:
            key = f"config.{instance.name}.issuers"
            raise ManifestError(f"{key} is empty: name an issuer, [{key}.NAME] with url and audiences", param=key)
        try:
            from jackfield_oidc.authenticator import OidcAuthenticator
        except ImportError as error:
            raise PluginError(
                f"plugin {instance.name} needs joserfc and cryptography ({error}): pip install 'jackfield[oidc]'"
            ) from error
        return OidcAuthenticator(instance.name, config, instance.path)

    return {instance.name: make}


@hookimpl
def jackfield_checks(instance: PluginInstance) -> Mapping[str, CheckFactory]:
    """Whether the issuers' keys can be had."""
    config = instance.config(OidcConfig)

    def make() -> Check:
        from jackfield_oidc.checks import IssuersCheck

        return IssuersCheck(instance.name, config, instance.path)

    return {f"{instance.name} issuers": make}
