"""``audit``: a record of what was decided that tells whether somebody has changed it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import hookimpl
from jackfield.errors import ManifestError
from jackfield_audit.config import AuditConfig

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import click

    from jackfield import PluginInstance
    from jackfield.ports.audit import AuditSink, AuditSinkFactory
    from jackfield.ports.check import Check, CheckFactory
    from jackfield.secret import Secret
    from jackfield_audit.config import OtlpConfig, SyslogConfig

JACKFIELD_API = (0, 1)


@hookimpl
def jackfield_config() -> type[AuditConfig]:
    """``[config.audit]``."""
    return AuditConfig


@hookimpl
def jackfield_audit_sinks(instance: PluginInstance) -> Mapping[str, AuditSinkFactory]:
    """Files, under the instance's name; a syslog server and a collector where the options name them."""
    config = instance.config(AuditConfig)

    def files() -> AuditSink:
        from jackfield_audit.sink import FileSink

        return FileSink(instance.path(config.folder), lambda: _key(instance, config), config)

    sinks: dict[str, AuditSinkFactory] = {instance.name: files}
    if config.syslog is not None:
        sinks[f"{instance.name}-syslog"] = _syslog(instance, config, config.syslog)
    if config.otlp is not None:
        sinks[f"{instance.name}-otlp"] = _otlp(instance, config, config.otlp)
    return sinks


def _key(instance: PluginInstance, config: AuditConfig) -> Secret:
    """The key of the chain; the message of what is raised names the option, and what makes one."""
    try:
        return instance.secret(config.key)
    except ManifestError as error:
        place = f"config.{instance.name}.key"
        raise ManifestError(f"{place}: {error.message}; jackfield audit init makes one", param=place) from error


def _syslog(instance: PluginInstance, config: AuditConfig, options: SyslogConfig) -> AuditSinkFactory:
    def make() -> AuditSink:
        from jackfield_audit.chain import ChainKey
        from jackfield_audit.remote import RemoteSink
        from jackfield_audit.syslog import SyslogChannel

        return RemoteSink(lambda: ChainKey(_key(instance, config)), config, SyslogChannel(options), options.queue, 1)

    return make


def _otlp(instance: PluginInstance, config: AuditConfig, options: OtlpConfig) -> AuditSinkFactory:
    def make() -> AuditSink:
        from jackfield_audit.chain import ChainKey
        from jackfield_audit.otlp import OtlpChannel
        from jackfield_audit.remote import RemoteSink

        reference = options.token
        channel = OtlpChannel(options, None if reference is None else lambda: instance.secret(reference))
        return RemoteSink(lambda: ChainKey(_key(instance, config)), config, channel, options.queue, options.batch)

    return make


@hookimpl
def jackfield_checks(instance: PluginInstance) -> Mapping[str, CheckFactory]:
    """Whether the record can be written and is whole."""
    config = instance.config(AuditConfig)

    def make() -> Check:
        from jackfield_audit.checks import RecordCheck

        return RecordCheck(instance.path(config.folder), lambda: instance.secret(config.key))

    return {f"{instance.name} record": make}


@hookimpl
def jackfield_commands(instance: PluginInstance) -> Sequence[click.Command]:
    """``jackfield audit``; a further instance's command has the instance's name."""
    from jackfield_audit.commands import audit_command

    config = instance.config(AuditConfig)
    return [audit_command(instance, instance.path(config.folder), config)]
