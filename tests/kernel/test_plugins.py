"""Discovery, order, blocking before import, and the typed facade over pluggy."""

from __future__ import annotations

import importlib
import itertools
import sys
import textwrap
from typing import TYPE_CHECKING, Any, Final

import pytest

from jackfield.errors import ManifestError, PluginError
from jackfield.manifest import DEFAULT_DIALECTS, DEFAULT_ENABLED, DEFAULT_SECRETS, InstanceRef, KernelConfig, Manifest
from jackfield.plugin_modules import API_VERSION, GROUP, installed_plugins
from jackfield.plugins import build_kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from jackfield.plugins import Kernel

HEAD: Final = "import msgspec\nfrom jackfield import hookimpl\n"

TRACE: Final = """
calls = []

class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    size: int = 1
    label: str = "none"

@hookimpl
def jackfield_config():
    return Config

@hookimpl
def jackfield_startup(instance, process):
    calls.append(("startup", instance.name, process, instance.config(Config).size))

@hookimpl
def jackfield_shutdown(instance, process):
    calls.append(("shutdown", instance.name, process))

@hookimpl
def jackfield_observers(instance):
    calls.append(("observers", instance.name))
    return {instance.name: object}
"""

ANSWERS_NOTHING: Final = "@hookimpl\ndef jackfield_startup(instance):\n    pass\n"

_serial = itertools.count()


class Site:
    """A folder on ``sys.path`` with made-up distributions; module names are unique, so nothing leaks between tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules: dict[str, str] = {}

    def add(self, plugin: str, source: str, *, distribution: str | None = None, target: str = "") -> str:
        """Install a distribution that provides *plugin*; returns the name of its module."""
        module = f"stranger_{next(_serial)}"
        (self.folder / f"{module}.py").write_text(HEAD + textwrap.dedent(source))
        owner = distribution or f"dist-{plugin}"
        info = self.folder / f"{owner.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {owner}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{plugin} = {module}{target}\n")
        importlib.invalidate_caches()
        self.modules[plugin] = module
        return module

    def calls(self, plugin: str) -> Sequence[tuple[object, ...]]:
        """What the tracing plugin *plugin* noted."""
        calls: Sequence[tuple[object, ...]] = sys.modules[self.modules[plugin]].calls
        return calls


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Its folder leaves ``sys.path`` after the test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return Site(tmp_path)


def kernel_of(*enabled: str, config: Mapping[str, Mapping[str, Any]] | None = None) -> Kernel:
    """A kernel with ``NAME`` or ``NAME=PLUGIN`` entries, as if ``plugins.toml`` had them on line 2."""
    pairs = [(name, plugin or name) for name, _, plugin in (entry.partition("=") for entry in enabled)]
    manifest = Manifest(
        enabled=tuple(InstanceRef(name, plugin) for name, plugin in pairs),
        kernel=KernelConfig(),
        config={name: dict(table) for name, table in (config or {}).items()},
        origins={"enabled": "plugins.toml:2", "config": "plugins.toml:5"},
    )
    return build_kernel(manifest)


# --- discovery and what is imported ----------------------------------------------------------------------------------


def test_the_default_plugins_are_installed() -> None:
    """Without an ``enabled`` key these are asked for."""
    installed = installed_plugins()
    for name in DEFAULT_ENABLED:
        assert len(installed[name]) == 1, name


def test_only_what_is_enabled_is_imported(site: Site) -> None:
    """A plugin that is off does not run a line."""
    on, off = site.add("on", ANSWERS_NOTHING), site.add("off", "raise RuntimeError('must not be imported')")
    kernel_of("on", "fcfs")
    assert on in sys.modules
    assert off not in sys.modules
    assert "off" in installed_plugins()


def test_a_name_nobody_provides() -> None:
    """The message has the place and a suggestion."""
    with pytest.raises(ManifestError) as caught:
        kernel_of("opena1")
    assert str(caught.value) == (
        "plugins.toml:2: no installed package provides the plugin 'opena1'; did you mean openai?"
    )
    assert caught.value.param == "enabled"


def test_a_name_nothing_resembles_lists_what_there_is() -> None:
    """So that the user need not look elsewhere."""
    with pytest.raises(ManifestError, match=r"; known: .*fcfs.*openai"):
        kernel_of("zzzzzz")


def test_a_name_two_distributions_provide(site: Site) -> None:
    """pluggy would silently take the first; both are named."""
    site.add("twin", ANSWERS_NOTHING, distribution="first-owner")
    site.add("twin", ANSWERS_NOTHING, distribution="second-owner")
    with pytest.raises(ManifestError) as caught:
        kernel_of("twin")
    assert str(caught.value) == (
        "plugins.toml:2: the plugin 'twin' is provided by first-owner 1.0 and second-owner 1.0; uninstall one"
    )


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import no_such_module_anywhere", "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
        ("raise ValueError('at import')", "ValueError: at import"),
        ("1 +", "SyntaxError: invalid syntax"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
    ],
)
def test_a_plugin_that_does_not_import(site: Site, source: str, cause: str) -> None:
    """Names the plugin, its distribution and the cause."""
    site.add("broken", source)
    with pytest.raises(PluginError) as caught:
        kernel_of("broken")
    assert str(caught.value).startswith(f"plugin broken (dist-broken 1.0) does not import: {cause}")


def test_an_entry_point_that_names_an_object(site: Site) -> None:
    """A plugin is a module."""
    site.add("thing", "thing = object()", target=":thing")
    with pytest.raises(PluginError, match="must name a module"):
        kernel_of("thing")


# --- plugins from a file ---------------------------------------------------------------------------------------------


def test_a_plugin_from_a_path(tmp_path: Path) -> None:
    """While writing one, it need not be installed."""
    file = tmp_path / "mine.py"
    file.write_text(HEAD + TRACE)
    kernel = kernel_of(f"mine={file}", "fcfs", config={"mine": {"size": 3}})
    assert kernel.instances[0].distribution == "mine.py"
    assert "mine" in kernel.observers()


def test_a_path_without_a_file(tmp_path: Path) -> None:
    """Only the base name is shown."""
    with pytest.raises(ManifestError) as caught:
        kernel_of(f"mine={tmp_path / 'absent.py'}")
    assert str(caught.value) == "plugins.toml:2: there is no plugin file absent.py"


def test_a_path_that_does_not_import(tmp_path: Path) -> None:
    """As for an installed one."""
    file = tmp_path / "mine.py"
    file.write_text("raise LookupError('x')")
    with pytest.raises(PluginError, match=r"^plugin mine \(mine\.py\) does not import: LookupError: x"):
        kernel_of(f"mine={file}")


# --- API version, unknown hooks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [API_VERSION, (API_VERSION[0], 0)])
def test_api_versions_we_speak(site: Site, version: tuple[int, int]) -> None:
    """Ours and older minor ones."""
    site.add("spoken", f"JACKFIELD_API = {version}\n{ANSWERS_NOTHING}")
    assert kernel_of("spoken", "fcfs").instances[0].name == "spoken"


@pytest.mark.parametrize(
    ("version", "advice"),
    [((API_VERSION[0], API_VERSION[1] + 1), "upgrade the server"), ((API_VERSION[0] + 1, 0), "upgrade the server")],
)
def test_api_versions_we_do_not_speak(site: Site, version: tuple[int, int], advice: str) -> None:
    """The message says which side is behind."""
    site.add("newer", f"JACKFIELD_API = {version}")
    with pytest.raises(PluginError) as caught:
        kernel_of("newer")
    spoken = ".".join(map(str, API_VERSION))
    wanted = ".".join(map(str, version))
    assert str(caught.value) == f"plugin newer speaks API {wanted}; this Jackfield speaks {spoken}: {advice}"


@pytest.mark.parametrize("value", ["'0.1'", "1", "(0,)", "None", "(0, 'x')"])
def test_an_api_version_that_is_none(site: Site, value: str) -> None:
    """Is the plugin's fault and says so."""
    site.add("odd", f"JACKFIELD_API = {value}")
    with pytest.raises(PluginError, match=r"^plugin odd: JACKFIELD_API must be two numbers"):
        kernel_of("odd")


def test_an_unknown_hook(site: Site) -> None:
    """A misspelt hook would never be called; it is refused."""
    site.add("typo", "@hookimpl\ndef jackfield_bakcends(instance):\n    return {}\n")
    with pytest.raises(PluginError) as caught:
        kernel_of("typo", "fcfs")
    assert str(caught.value) == (
        "plugin typo (dist-typo 1.0): unknown hook jackfield_bakcends; did you mean jackfield_backends?;"
        " hooks are listed in jackfield.hookspecs"
    )


def test_a_plugin_without_hooks(site: Site) -> None:
    """A forgotten mark would make it do nothing at all, in silence."""
    site.add("bare", "def jackfield_backends(instance):\n    return {}\n")
    with pytest.raises(
        PluginError, match=r"^plugin bare \(dist-bare 1\.0\) implements no hook; .*@jackfield\.hookimpl"
    ):
        kernel_of("bare", "fcfs")


def test_a_hook_that_is_async(site: Site) -> None:
    """Nobody would await it."""
    site.add("waiting", "@hookimpl\nasync def jackfield_backends(instance):\n    return {}\n")
    with pytest.raises(
        PluginError, match=r"^plugin waiting \(dist-waiting 1\.0\): jackfield_backends must not be async"
    ):
        kernel_of("waiting", "fcfs")


def test_a_hook_with_an_unknown_argument(site: Site) -> None:
    """pluggy names the argument, we name the plugin."""
    site.add("argued", "@hookimpl\ndef jackfield_backends(instance, moon):\n    return {}\n")
    with pytest.raises(PluginError, match=r"(?s)^plugin argued \(dist-argued 1\.0\): .*moon"):
        kernel_of("argued")


# --- order and instances ---------------------------------------------------------------------------------------------


def test_the_first_listed_is_asked_first_and_shut_down_last(site: Site) -> None:
    """pluggy's own order is the reverse."""
    for name in ("alpha", "beta", "gamma"):
        site.add(name, TRACE)
    order: list[str] = []
    kernel = kernel_of("gamma", "alpha", "beta", "fcfs")
    assert list(kernel.observers()) == ["gamma", "alpha", "beta"]
    kernel.startup("gateway")
    kernel.shutdown("gateway", lambda error: order.append(str(error)))
    assert order == []
    for name in ("alpha", "beta", "gamma"):
        assert site.calls(name) == [("observers", name), ("startup", name, "gateway", 1), ("shutdown", name, "gateway")]


def test_startup_and_shutdown_order(site: Site) -> None:
    """One shared list shows the order over several plugins."""
    shared = site.add("one", TRACE)
    site.add("two", TRACE.replace("calls = []", f"from {shared} import calls"))
    kernel = kernel_of("two", "one", "fcfs")
    kernel.startup("worker")
    kernel.shutdown("worker", lambda error: pytest.fail(str(error)))
    assert [(call[0], call[1]) for call in site.calls("one")] == [
        ("startup", "two"),
        ("startup", "one"),
        ("shutdown", "one"),
        ("shutdown", "two"),
    ]


def test_one_plugin_as_two_instances(site: Site) -> None:
    """Each with its own name and table."""
    site.add("trace", TRACE)
    kernel = kernel_of("east=trace", "west=trace", "fcfs", config={"east": {"size": 2}, "west": {"size": 3}})
    kernel.startup("gateway")
    assert site.calls("trace") == [("startup", "east", "gateway", 2), ("startup", "west", "gateway", 3)]
    assert list(kernel.observers()) == ["east", "west"]


def test_an_instance_listed_twice(site: Site) -> None:
    """Two tables of one name cannot be told apart."""
    site.add("trace", TRACE)
    with pytest.raises(ManifestError, match="trace is listed twice"):
        kernel_of("trace", "trace")


def test_two_kernels_in_one_process(site: Site) -> None:
    """Nothing is global."""
    site.add("trace", TRACE)
    one = kernel_of("a=trace", "fcfs")
    other = kernel_of("b=trace", "fcfs")
    assert list(one.observers()) == ["a"]
    assert list(other.observers()) == ["b"]


def test_defaults_fill_empty_sockets(site: Site) -> None:
    """And can be told from one that was asked for."""
    site.add("trace", TRACE)
    kernel = kernel_of("trace")
    expected = [("trace", False), ("fcfs", True), *((ref.name, True) for ref in DEFAULT_DIALECTS + DEFAULT_SECRETS)]
    assert [(each.name, each.defaulted) for each in kernel.instances] == expected
    assert list(kernel.schedulers()) == ["fcfs"]
    assert [each.defaulted for each in kernel_of("fcfs", "hermes").instances] == [False, False, True]


def test_hooks_of_an_instance(site: Site) -> None:
    """What ``jackfield plugins info`` shows."""
    site.add("trace", TRACE)
    kernel = kernel_of("trace", "fcfs")
    assert kernel.hooks_of(kernel.instances[0]) == [
        "jackfield_config",
        "jackfield_observers",
        "jackfield_shutdown",
        "jackfield_startup",
    ]


# --- configuration ---------------------------------------------------------------------------------------------------


def test_a_table_for_a_plugin_without_options(site: Site) -> None:
    """It would be ignored; it is refused."""
    site.add("plain", ANSWERS_NOTHING)
    with pytest.raises(ManifestError) as caught:
        kernel_of("plain", "fcfs", config={"plain": {"size": 1}})
    assert str(caught.value) == "plugins.toml:5: the plugin plain takes no options"
    assert caught.value.param == "config.plain"


def test_a_misspelt_option(site: Site) -> None:
    """With place, key path and the nearest known key."""
    site.add("trace", TRACE)
    with pytest.raises(ManifestError) as caught:
        kernel_of("trace", "fcfs", config={"trace": {"sise": 1}})
    assert str(caught.value) == "plugins.toml:5: unknown key config.trace.sise; did you mean size?"


def test_an_option_of_the_wrong_type(site: Site) -> None:
    """With place and key path."""
    site.add("trace", TRACE)
    with pytest.raises(ManifestError, match=r"^plugins\.toml:5: config\.trace\.size: expected `int`, got `str`"):
        kernel_of("trace", "fcfs", config={"trace": {"size": "big"}})


def test_overrides_replace_single_keys(site: Site) -> None:
    """``[models.NAME.options]`` over ``[config.NAME]``; the rest of the table stays."""
    site.add("trace", TRACE)
    kernel = kernel_of("trace", "fcfs", config={"trace": {"size": 2, "label": "kept"}})
    struct: Any = kernel.config_structs()["trace"]
    instance = kernel.instances[0]
    assert instance.config(struct) == struct(size=2, label="kept")
    assert instance.config(struct, {"size": 9}) == struct(size=9, label="kept")
    with pytest.raises(ManifestError, match=r"models\.demo\.options\.sise"):
        instance.config(struct, {"sise": 9}, key="models.demo.options")


# --- what hooks answer -----------------------------------------------------------------------------------------------


def asked(hook: str) -> Callable[[Kernel], object]:
    """The facade's call of *hook*."""
    calls: dict[str, Callable[[Kernel], object]] = {
        "jackfield_config": lambda kernel: kernel.config_structs(),
        "jackfield_backends": lambda kernel: kernel.backends(),
        "jackfield_schedulers": lambda kernel: kernel.schedulers(),
        "jackfield_frontends": lambda kernel: kernel.frontends(),
        "jackfield_observers": lambda kernel: kernel.observers(),
        "jackfield_commands": lambda kernel: kernel.commands(),
        "jackfield_startup": lambda kernel: kernel.startup("gateway"),
    }
    return calls[hook]


HOOKS: Final = (
    "jackfield_config",
    "jackfield_backends",
    "jackfield_schedulers",
    "jackfield_frontends",
    "jackfield_observers",
    "jackfield_commands",
    "jackfield_startup",
)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_that_raises_is_attributed(site: Site, hook: str) -> None:
    """Plugin, hook and cause in one line."""
    site.add("raiser", f"@hookimpl\ndef {hook}(instance):\n    raise KeyError('deep inside')\n")
    with pytest.raises(PluginError, match=rf"^plugin raiser: {hook} raised KeyError: 'deep inside'"):
        asked(hook)(kernel_of("raiser", "fcfs"))


def test_an_error_of_ours_raised_by_a_hook_is_attributed(site: Site) -> None:
    """A plugin cannot pass its own trouble off as the kernel's."""
    hook = "@hookimpl\ndef jackfield_backends(instance):\n    raise BackendFault('x')"
    body = f"from jackfield.errors import BackendFault\n{hook}"
    site.add("raiser", body)
    with pytest.raises(PluginError, match=r"^plugin raiser: jackfield_backends raised BackendFault: x"):
        kernel_of("raiser", "fcfs").backends()


@pytest.mark.parametrize("hook", [hook for hook in HOOKS if hook != "jackfield_startup"])
def test_a_hook_that_answers_something_else_is_attributed(site: Site, hook: str) -> None:
    """Types begin at the facade: nothing else ever sees the number."""
    site.add("confused", f"@hookimpl\ndef {hook}(instance):\n    return 42\n")
    with pytest.raises(PluginError, match=rf"^plugin confused: {hook} returned int"):
        asked(hook)(kernel_of("confused", "fcfs"))


@pytest.mark.parametrize(
    "hook", ["jackfield_backends", "jackfield_schedulers", "jackfield_frontends", "jackfield_observers"]
)
@pytest.mark.parametrize("answer", ["{'x': 42}", "{42: dict}"])
def test_what_is_no_factory_is_attributed(site: Site, hook: str, answer: str) -> None:
    """The plugin is named at start-up; nobody else has to call the number."""
    site.add("confused", f"@hookimpl\ndef {hook}(instance):\n    return {answer}\n")
    with pytest.raises(PluginError, match=rf"^plugin confused: {hook} must hand over factories by name"):
        asked(hook)(kernel_of("confused", "fcfs"))


def test_what_is_no_command_is_attributed(site: Site) -> None:
    """The command line goes on without it, and without a traceback."""
    site.add("confused", "@hookimpl\ndef jackfield_commands(instance):\n    return [42]\n")
    with pytest.raises(PluginError, match=r"^plugin confused: jackfield_commands must return click commands, not int"):
        kernel_of("confused", "fcfs").commands()


def test_a_config_that_is_no_struct(site: Site) -> None:
    """A class of another kind cannot be decoded into."""
    site.add("confused", "@hookimpl\ndef jackfield_config(instance):\n    return dict\n")
    with pytest.raises(PluginError, match=r"^plugin confused: jackfield_config returned dict, not a msgspec\.Struct"):
        kernel_of("confused", "fcfs")


@pytest.mark.parametrize(
    "hook", ["jackfield_backends", "jackfield_schedulers", "jackfield_frontends", "jackfield_observers"]
)
def test_one_name_from_two_owners(site: Site, hook: str) -> None:
    """Both are named."""
    source = f"@hookimpl\ndef {hook}(instance):\n    return {{'same': object}}\n"
    site.add("mine", source)
    site.add("yours", source)
    with pytest.raises(PluginError) as caught:
        asked(hook)(kernel_of("mine", "yours", "fcfs"))
    assert str(caught.value) == f"{hook}: both mine and yours hand over 'same'"


def test_answers_are_united_in_manifest_order(site: Site) -> None:
    """Over several plugins and several names of one."""
    site.add("pair", "@hookimpl\ndef jackfield_schedulers(instance):\n    return {'p': object, 'q': object}\n")
    assert list(kernel_of("fcfs", "pair").schedulers()) == ["fcfs", "p", "q"]
    assert list(kernel_of("pair", "fcfs").schedulers()) == ["p", "q", "fcfs"]


def test_of_schedulers_and_constraint_engines_the_first_is_used(site: Site) -> None:
    """The owners of the others can be told."""
    site.add("pair", "@hookimpl\ndef jackfield_schedulers(instance):\n    return {'p': object, 'q': object}\n")
    site.add("form", "@hookimpl\ndef jackfield_constraints(instance):\n    return {'form': object}\n")
    assert kernel_of("pair", "form").behind() == {}
    assert kernel_of("fcfs", "pair", "form").behind() == {"pair": "fcfs"}
    assert kernel_of("pair", "fcfs", "llguidance", "form").behind() == {"fcfs": "pair", "form": "llguidance"}


def test_backends_keep_their_owners(site: Site) -> None:
    """A model's options are those of the instance behind its backend, whatever that is called."""
    site.add("engine", "@hookimpl\ndef jackfield_backends(instance):\n    return {'fast': dict}\n")
    kernel = kernel_of("mine=engine", "fcfs")
    assert kernel.backend_owners() == {"fast": kernel.instances[0]}


def test_commands_keep_their_owners(site: Site) -> None:
    """So that a clash can name both."""
    site.add(
        "speaker",
        """
        import click
        @hookimpl
        def jackfield_commands(instance):
            return [click.Command("say"), click.Command("shout")]
        """,
    )
    commands = kernel_of("speaker", "fcfs").commands()
    assert [(instance.name, command.name) for instance, command in commands] == [
        ("speaker", "say"),
        ("speaker", "shout"),
    ]


def test_a_shutdown_that_raises_stops_nothing(site: Site) -> None:
    """It is reported, and the others are still called."""
    site.add("quiet", TRACE)
    site.add("loud", "@hookimpl\ndef jackfield_shutdown(instance):\n    raise OSError('no')\n")
    kernel = kernel_of("quiet", "loud", "fcfs")
    reported: list[PluginError] = []
    kernel.shutdown("gateway", reported.append)
    assert [str(error) for error in reported] == ["plugin loud: jackfield_shutdown raised OSError: no"]
    assert site.calls("quiet") == [("shutdown", "quiet", "gateway")]
