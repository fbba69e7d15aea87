"""Names for shell completion. Whatever goes wrong gives no names: a message would land in the line that is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.errors import JackfieldError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    import click
    from click.shell_completion import CompletionItem


def complete_models(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Models of the running server, and of the manifest."""
    return _beginning(incomplete, [*_served(ctx), *_configured(ctx)])


def complete_served_models(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Models of the running server."""
    return _beginning(incomplete, _served(ctx))


def complete_plugins(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Installed plugins."""
    from jackfield.plugin_modules import installed_plugins

    return _beginning(incomplete, list(installed_plugins()))


def complete_schedulers(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Installed plugins that hand over a scheduler; after a comma the next one of a list."""
    before, comma, last = incomplete.rpartition(",")
    names = plugins_with("jackfield_schedulers")
    return [f"{before}{comma}{name}" for name in _beginning(last, names)]


def complete_policy_engines(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Installed plugins that hand over a policy engine."""
    return _beginning(incomplete, plugins_with("jackfield_policies"))


def plugins_with(hook: str) -> list[str]:
    """Installed plugins that have *hook*, whether they are on or not."""
    from jackfield.plugin_modules import installed_plugins

    return [name for name, entries in installed_plugins().items() if any(_implements(entry, hook) for entry in entries)]


def _implements(entry: EntryPoint, hook: str) -> bool:
    """Whether the module has the hook, as its text says: a plugin that is off is never imported."""
    from importlib.util import find_spec
    from pathlib import Path

    try:
        spec = find_spec(entry.module)
        return spec is not None and f"def {hook}(" in Path(spec.origin or "").read_text(encoding="utf-8")
    except (ImportError, OSError, ValueError):
        return False


def complete_targets(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Installed plugins and the distributions that they come from; files where none begins so."""
    from click.shell_completion import CompletionItem

    from jackfield.plugin_modules import installed_plugins

    plugins = installed_plugins()
    owners = [entry.dist.name for entries in plugins.values() for entry in entries if entry.dist is not None]
    names = _beginning(incomplete, [*plugins, *owners])
    return [CompletionItem(name) for name in names] or [CompletionItem(incomplete, type="file")]


def complete_servers(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Addresses of running servers."""
    from jackfield.cli.servers import find

    names = []
    for operator in find():
        with operator:
            names.append(operator.name)
    return _beginning(incomplete, names)


def _served(ctx: click.Context) -> list[str]:
    from jackfield.cli.servers import choose

    try:
        with choose(ctx.params.get("server")) as operator:
            return [each.model for each in operator.state().children if each.model]
    except (JackfieldError, OSError):
        return []


def _configured(ctx: click.Context) -> list[str]:
    from jackfield.manifest_layers import load_manifest

    try:
        return list(load_manifest(ctx.params.get("file")).models)
    except (JackfieldError, OSError):
        return []


def _beginning(incomplete: str, names: list[str]) -> list[str]:
    return sorted({name for name in names if name.startswith(incomplete)})
