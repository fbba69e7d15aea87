"""API keys in a file: an authenticator, and the commands that make, list, revoke and rotate them.

Only hook implementations stand here; what reads and writes key files is imported when it is asked for.
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
    file = instance.config(KeysConfig).file

    def make() -> Authenticator:
        from jackfield_keys.issuer import KeysIssuer  # only a gateway needs it

        return KeysIssuer(instance.name, instance.path(file), file)

    return {instance.name: make}


@hookimpl
def jackfield_checks(instance: PluginInstance) -> Mapping[str, CheckFactory]:
    """Whether the key file can be used."""
    file = instance.config(KeysConfig).file

    def make() -> Check:
        from jackfield_keys.checks import FileCheck

        return FileCheck(instance.path(file), file, instance.name)

    return {f"{instance.name} file": make}


@hookimpl
def jackfield_commands(instance: PluginInstance) -> Sequence[click.Command]:
    """``jackfield keys``; a further instance's command has the instance's name."""
    from jackfield_keys.commands import keys_command

    file = instance.config(KeysConfig).file
    return [keys_command(instance.name, instance.path(file), file)]
