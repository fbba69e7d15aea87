"""The secrets that a store may be sealed with, as its options name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jackfield.plugin_instance import PluginInstance
    from jackfield.secret import Secret, SecretReference


def secrets_of(
    instance: PluginInstance,
    *,
    key: SecretReference,
    old_key: SecretReference | None,
    further: SecretReference | None,
) -> Callable[[], Mapping[str, Secret]]:
    """What a ``Book`` reads its secrets with, by the key path of the option that names each.

    Parameters:
        instance: Whose options these are; it is asked whenever the store wants to know.
        key: Of the option ``key``: what new keys are made of.
        old_key: Of the option ``old_key``.
        further: Of a command line.
    """
    references = {f"config.{instance.name}.key": key, f"config.{instance.name}.old_key": old_key, "--from": further}

    def read() -> Mapping[str, Secret]:
        return {option: instance.secret(each) for option, each in references.items() if each is not None}

    return read
