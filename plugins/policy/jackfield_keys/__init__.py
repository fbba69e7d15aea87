"""API keys: an authenticator, and the commands that make, list, change, rotate and revoke them.

Only hook implementations stand here; what reads and writes keys is imported when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import hookimpl
from jackfield_keys.config import KeysConfig

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import click

    from jackfield import PluginInstance
    from jackfield.ports.check import Check, CheckFactory
    from jackfield.ports.identity import Authenticator, AuthenticatorFactory

JACKFIELD_API = (0, 1)


@hookimpl
def jackfield_config() -> type[KeysConfig]:
    """``[config.keys]``."""
    return KeysConfig


@hookimpl
def jackfield_authenticators(instance: PluginInstance) -> Mapping[str, AuthenticatorFactory]:
    """One authenticator, which is a key issuer too, under the instance's name."""

    def make() -> Authenticator:
        from jackfield_keys.places import issuer  # only a gateway needs it

        return issuer(instance)

    return {instance.name: make}


@hookimpl
def jackfield_checks(instance: PluginInstance) -> Mapping[str, CheckFactory]:
    """Whether the keys can be used."""

    def make() -> Check:
        from jackfield_keys.places import check

        return check(instance)

    return {f"{instance.name} file": make}


@hookimpl
def jackfield_commands(instance: PluginInstance) -> Sequence[click.Command]:
    """``jackfield keys``; a further instance's command has the instance's name."""
    from jackfield_keys.commands import keys_command
    from jackfield_keys.places import editor

    return [keys_command(instance.name, instance.config(KeysConfig).file, lambda: editor(instance))]
