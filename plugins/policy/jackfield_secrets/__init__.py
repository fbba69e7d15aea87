"""``secrets``: where keys, tokens and passphrases come from: files, systemd's credentials, the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield import PluginInstance
    from jackfield.ports.secret_source import SecretSource, SecretSourceFactory

JACKFIELD_API = (0, 1)


@hookimpl
def jackfield_secrets(instance: PluginInstance) -> Mapping[str, SecretSourceFactory]:
    """Three sources, under the schemes that options use."""

    def file() -> SecretSource:
        from jackfield_secrets.sources import FileSource

        return FileSource(instance.path)

    def systemd() -> SecretSource:
        from jackfield_secrets.sources import CredentialSource

        return CredentialSource()

    def environment() -> SecretSource:
        from jackfield_secrets.sources import EnvironmentSource

        return EnvironmentSource()

    return {"file": file, "systemd": systemd, "env": environment}
