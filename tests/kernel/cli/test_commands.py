"""The command line: what it prints, what it refuses, and its exit codes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import pytest

from jackfield import __version__
from jackfield.cli.errors import guarded
from jackfield.cli.group import jackfield as jackfield_command
from jackfield.errors import ModelLoadError
from jackfield.manifest import DEFAULT_DIALECTS, DEFAULT_ENABLED, DEFAULT_SECRETS, Manifest, ModelConfig
from jackfield.supervisor.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable

    Cli: TypeAlias = "Callable[..., Done]"

DEFAULTED = [ref.name for ref in DEFAULT_DIALECTS + DEFAULT_SECRETS]

MARKER_PLUGIN = "from pathlib import Path\nPath('imported').touch()\n"

COMMAND_PLUGIN = """
import click, jackfield
from jackfield.errors import ModelLoadError

@click.command()
def {name}():
    "Dig for something."
    {body}

@jackfield.hookimpl
def jackfield_commands(instance):
    return [{name}]
"""


class Done(NamedTuple):
    """A command that ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    """Runs ``jackfield`` in an empty folder, in this process."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["jackfield", *arguments])
        code = guarded(jackfield_command)
        out, err = capfd.readouterr()
        return Done(code, out, err)

    return run


def test_help_has_commands_examples_and_exit_codes(cli: Cli) -> None:
    """Everything a beginner needs, and the commands of enabled plugins."""
    done = cli("--help")
    assert done.code == 0
    for text in ("serve", "plugins", "config", "gguf", "jackfield serve ./model.gguf", "Exit codes:", "130"):
        assert text in done.out


@pytest.mark.parametrize("arguments", [("serve",), ("plugins", "enable"), ("config", "show"), ("completion",)])
def test_every_command_has_help_with_examples(cli: Cli, arguments: tuple[str, ...]) -> None:
    """As lines of their own."""
    done = cli(*arguments, "--help")
    assert done.code == 0
    assert "Examples:\n" in done.out


@pytest.mark.parametrize(("name", "hinted"), [("store", True), ("secrets", False), ("nothing", False)])
def test_a_command_of_a_plugin_that_is_off_says_how_to_turn_it_on(cli: Cli, name: str, *, hinted: bool) -> None:
    """But for plugins that have none: turned on, they would give no command either."""
    result = cli(name)
    assert result.code == 2
    assert f"No such command '{name}'" in result.err
    assert (f"jackfield plugins enable {name}" in result.err) is hinted


def test_versions(cli: Cli) -> None:
    """Of Jackfield and of the plugin API."""
    lines = cli("version").out.splitlines()
    assert lines[0] == f"jackfield {__version__} (plugin API 0.1)"
    assert ["plugin", "fcfs", "jackfield", __version__] in [line.split() for line in lines]
    found = json.loads(cli("version", "--json").out)
    assert (found["jackfield"], found["api"]) == (__version__, "0.1")
    assert "msgspec" in found["libraries"]
    assert cli("--version").out == f"jackfield {__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(cli: Cli, shell: str) -> None:
    """One for each shell."""
    assert "_JACKFIELD_COMPLETE" in cli("completion", shell).out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sreve",), "No such command 'sreve'"),
        (("keys", "list"), "jackfield plugins enable keys"),
        (("serve", "--no"), "No such option '--no'"),
        (("serve", "nowhere.gguf"), "there is no model file nowhere.gguf"),
        (("serve", "--context", "1"), "1 is not in the range x>=8"),
        (("serve", "--config", "no.toml"), "no.toml: there is no such file"),
        (("serve", "--set", "kernel.listen"), "must be section.key=value"),
        (("serve", "--listen", "nonsense"), "--set: kernel.listen: must be HOST:PORT"),
        (("serve", "--listen", ""), "kernel.listen: must be HOST:PORT"),
        (("serve", "--health", ""), "kernel.health: must be HOST:PORT"),
        (("serve", ""), "MODEL must not be empty"),
        (("config", "check", "--set", "models.demo.source="), "models.demo.source: must not be empty"),
        (("serve", "--listen", '1"2:3'), "kernel.listen: cannot listen at"),
        (("plugins", "info", "opnai"), "no installed package provides the plugin 'opnai'; did you mean openai?"),
        (("plugins", "enable", "opnai"), "no installed package provides the plugin 'opnai'; did you mean openai?"),
        (("plugins", "disable", "opnai"), "opnai is not enabled; did you mean openai?"),
        (("config", "check", "--set", "kernel.queue=-1"), "kernel.queue: must be at least 0"),
        (("config", "check", "--set", "models.m.source=no.gguf"), "models.m.source: there is no file no.gguf"),
        (
            ("config", "check", "--set", "models.demo.backend=llama-cpp"),
            "models.demo.backend: no enabled plugin has the backend llama-cpp; did you mean llama-cpu?",
        ),
        (
            ("config", "check", "--set", "models.demo.options.treads=3"),
            "unknown key models.demo.options.treads; did you mean threads?",
        ),
        (("config", "check", "--set", "models.demo.options.threads=0"), "models.demo.options.threads: must be between"),
        (("config", "check", "--set", "kernel.listen=0.0.0.0:0"), "no authenticator is enabled"),
    ],
)
def test_mistakes_are_named_with_exit_code_2_and_no_traceback(
    cli: Cli, arguments: tuple[str, ...], message: str
) -> None:
    """One message on standard error."""
    done = cli(*arguments)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err
    assert list(Path().iterdir()) == []


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Manifest]:
    """What ``serve`` would run; nothing is started."""
    manifests: list[Manifest] = []

    class Recorder(Supervisor):
        def run(self) -> int:
            manifests.append(self._manifest)
            return 0

    monkeypatch.setattr("jackfield.supervisor.supervisor.Supervisor", Recorder)
    return manifests


@pytest.mark.parametrize(
    ("path", "name", "aliases"),
    [
        ("model.gguf", "model", ("default",)),
        ("models/Qwen2 0.5B (q8).gguf", "Qwen2-0.5B-q8", ("default",)),
        ("default.gguf", "default", ()),
        ("Öl.gguf", "l", ("default",)),
        ("世界.gguf", "model", ("default",)),
    ],
)
def test_a_model_file_of_the_command_line(
    cli: Cli, served: list[Manifest], tmp_path: Path, path: str, name: str, aliases: tuple[str, ...]
) -> None:
    """It replaces the manifest's models, under a name made of the file's."""
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).touch()
    (tmp_path / "plugins.toml").write_text('[models.other]\nsource = "other.gguf"\n')
    done = cli("serve", path, "--context", "8192", "--set", "kernel.queue=3")
    assert done == Done(0, "", "")
    [manifest] = served
    assert manifest.models == {name: ModelConfig(source=str(tmp_path / path), context=8192, aliases=aliases)}
    assert manifest.kernel.queue == 3


def test_serve_alone_serves_the_demo_model(cli: Cli, served: list[Manifest]) -> None:
    """Also under the name default; a context applies to it."""
    assert cli("serve", "--context", "64").code == 0
    assert served[0].models == {"demo": ModelConfig(source="jackfield:demo", context=64, aliases=("default",))}


def test_context_without_a_model_needs_a_single_one(cli: Cli) -> None:
    """Else nobody knows which is meant."""
    done = cli("serve", "--context", "64", "--set", "models.a.source=a", "--set", "models.b.source=b")
    assert (done.code, "several are configured: a, b" in done.err) == (2, True)


# --- config ----------------------------------------------------------------------------------------------------------


def test_show_prints_every_value_with_its_origin(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """All layers, and the options of plugins with their defaults."""
    Path("plugins.toml").write_text('[kernel]\nqueue = 3\n\n[models."my model".options]\n', encoding="utf-8")
    Path("plugins.toml").write_text('[kernel]\nqueue = 3\n\n[models.m]\nsource = "m.gguf"\noptions.batch = 7\n')
    monkeypatch.setenv("JACKFIELD__KERNEL__DRAIN_S", "2")
    lines = cli("config", "show", "--origin", "--set", "config.llama-cpu.batch=64").out.splitlines()
    for line in (
        'listen = "127.0.0.1:8080"  # default',
        "queue = 3  # plugins.toml:2",
        "drain_s = 2.0  # JACKFIELD__KERNEL__DRAIN_S",
        "[config.llama-cpu]",
        "batch = 64  # --set",
        'kv_type = "f16"  # default',
        "[models.m]",
        'source = "m.gguf"  # plugins.toml:5',
        "options = {batch = 7}  # plugins.toml:6",
    ):
        assert line in lines


def test_show_as_json(cli: Cli) -> None:
    """For scripts: key path → value and origin."""
    values = json.loads(cli("config", "show", "--json", "--set", "kernel.queue=8").out)
    assert values["kernel.queue"] == {"value": 8, "origin": "--set"}
    assert values["enabled"]["value"] == list(DEFAULT_ENABLED)


def test_what_show_prints_can_be_read_again(cli: Cli) -> None:
    """It is TOML."""
    first = cli("config", "show").out
    Path("plugins.toml").write_text(first)
    assert cli("config", "show").out == first


def test_show_works_while_a_plugin_is_broken(cli: Cli) -> None:
    """With a warning: it is the command people use to find out."""
    Path("bad.py").write_text("1 / 0")
    Path("plugins.toml").write_text('enabled = ["./bad.py"]\n[config.bad]\nx = 1\n')
    done = cli("config", "show")
    assert "[config.bad]\nx = 1\n" in done.out
    assert "plugin bad (bad.py) does not import: ZeroDivisionError" in done.err


def test_check_says_what_it_checked(cli: Cli) -> None:
    """For people and for scripts."""
    assert cli("config", "check").out.startswith("the packaged configuration is fine: plugins llama-cpu,")
    Path("plugins.toml").write_text('enabled = ["llama-cpu", "openai"]')
    assert json.loads(cli("config", "check", "--json").out) == {
        "ok": True,
        "plugins": ["llama-cpu", "openai", "fcfs", *DEFAULTED],
        "models": ["demo"],
    }


def test_check_loads_plugins(cli: Cli) -> None:
    """A misspelt option of a plugin is found without starting a server."""
    Path("plugins.toml").write_text("[config.llama-cpu]\n\nthreds = 3\n")
    done = cli("config", "check")
    assert (done.code, "plugins.toml:3: unknown key config.llama-cpu.threds; did you mean threads" in done.err) == (
        2,
        True,
    )


def test_schema_knows_the_options_of_enabled_plugins(cli: Cli) -> None:
    """So that editors complete plugins.toml."""
    schema = json.loads(cli("config", "schema").out)
    assert set(schema["properties"]) == {"enabled", "kernel", "config", "models"}
    reference = schema["properties"]["config"]["properties"]["llama-cpu"]["$ref"]
    assert "threads" in schema["$defs"][reference.rpartition("/")[2]]["properties"]


# --- plugins ---------------------------------------------------------------------------------------------------------


def test_list_shows_what_is_on_off_and_defaulted(cli: Cli) -> None:
    """Without importing what is off."""
    Path("plugins.toml").write_text('enabled = ["openai"]')
    rows = {row["name"]: row for row in json.loads(cli("plugins", "list", "--json").out)}
    states = {name: row["state"] for name, row in rows.items()}
    expected = {"openai": "on", "fcfs": "default", **dict.fromkeys(DEFAULTED, "default")}
    assert {name: state for name, state in states.items() if state != "off"} == expected
    assert {"llama-cpu", "llguidance", "kv-memory", "prometheus", "keys", "fair"} <= states.keys()
    assert rows["openai"]["hooks"] == ["jackfield_config", "jackfield_frontends"]
    assert rows["openai"]["distribution"] == f"jackfield {__version__}"
    assert "hooks" not in rows["prometheus"]
    table = cli("plugins", "list").out
    assert table.splitlines()[0].split() == ["NAME", "PLUGIN", "STATE", "FROM", "HOOKS"]


def test_list_works_while_a_plugin_is_broken(cli: Cli) -> None:
    """With a warning that names it."""
    Path("bad.py").write_text("1 / 0")
    Path("plugins.toml").write_text('enabled = ["./bad.py"]')
    done = cli("plugins", "list")
    assert done.code == 0
    assert "plugin bad (bad.py) does not import" in done.err
    assert "not loaded" in done.out


def test_info_shows_options(cli: Cli) -> None:
    """Of a plugin that is on, with the values in use."""
    Path("plugins.toml").write_text("[config.llama-cpu]\nbatch = 64\n")
    assert json.loads(cli("plugins", "info", "llama-cpu", "--json").out)["options"]["batch"] == 64
    assert "batch = 64" in cli("plugins", "info", "llama-cpu").out


def test_enable_and_disable_keep_comments(cli: Cli) -> None:
    """Only the list changes."""
    before = '# ours\nenabled = [\n    "openai", # the API\n]\n\n[kernel] # all of it\nqueue = 3 # few\n'
    Path("plugins.toml").write_text(before)
    Path("plugins.toml").chmod(0o640)
    assert cli("plugins", "enable", "prometheus").code == 0
    after = Path("plugins.toml").read_text()
    assert '"openai"' in after
    assert '"prometheus"' in after
    assert "# the API" in after
    assert "[kernel] # all of it\nqueue = 3 # few\n" in after
    assert Path("plugins.toml").stat().st_mode & 0o777 == 0o640
    assert cli("plugins", "disable", "prometheus").code == 0
    assert "prometheus" not in Path("plugins.toml").read_text()
    assert [path.name for path in Path().iterdir()] == ["plugins.toml"]


def test_disable_writes_the_default_list_out(cli: Cli) -> None:
    """A file without the key, or no file at all."""
    left = [name for name in DEFAULT_ENABLED if name != "prometheus"]
    enabled = f"enabled = {json.dumps(left)}\n"
    assert cli("plugins", "disable", "prometheus").code == 0
    assert Path("plugins.toml").read_text() == enabled
    Path("plugins.toml").write_text("[kernel]\nqueue = 3\n")
    assert cli("plugins", "disable", "prometheus").code == 0
    text = Path("plugins.toml").read_text()
    assert text.startswith(enabled)
    assert text.endswith("[kernel]\nqueue = 3\n")


@pytest.mark.parametrize("name", ["mine", "./mine.py"])
def test_disable_takes_the_name_that_list_shows(cli: Cli, name: str) -> None:
    """And the entry as it stands in the file."""
    Path("plugins.toml").write_text('enabled = ["openai", "./mine.py"]\n')
    assert cli("plugins", "disable", name).code == 0
    assert Path("plugins.toml").read_text() == 'enabled = ["openai"]\n'


def test_enabling_twice_is_no_mistake(cli: Cli) -> None:
    """Scripts may repeat themselves."""
    done = cli("plugins", "enable", "openai")
    assert (done.code, done.out) == (0, "openai is on already\n")


def test_a_scheduler_behind_another_is_not_used(cli: Cli) -> None:
    """Who enables it is told so, and can see it later."""
    done = cli("plugins", "enable", "fair")
    assert (done.code, done.out) == (0, "fair is on in plugins.toml; it runs from the next start\n")
    assert "fcfs is listed before fair and used instead of it: jackfield plugins disable fcfs" in done.err
    states = {row["name"]: row.get("behind") for row in json.loads(cli("plugins", "list", "--json").out)}
    assert (states["fair"], states["fcfs"], states["openai"]) == ("fcfs", None, None)
    assert "on, behind fcfs" in cli("plugins", "list").out
    assert "on, behind fcfs" in cli("plugins", "info", "fair").out
    cli("plugins", "disable", "fcfs")
    assert "behind" not in cli("plugins", "list").out


def test_changes_as_json(cli: Cli) -> None:
    """For scripts: what is so from the next start, and whether that is new."""
    told = [
        json.loads(cli("plugins", *change, "--json").out)
        for change in (("disable", "openai"), ("enable", "openai"), ("enable", "openai"))
    ]
    common = {"name": "openai", "file": "plugins.toml"}
    assert told == [
        {**common, "state": "off", "changed": True},
        {**common, "state": "on", "changed": True},
        {**common, "state": "on", "changed": False},
    ]


def test_a_plugin_that_does_not_import_is_not_turned_on(cli: Cli) -> None:
    """plugins.toml stays as it was."""
    Path("bad.py").write_text("1 / 0")
    Path("plugins.toml").write_text('enabled = ["openai"]\n')
    done = cli("plugins", "enable", "./bad.py")
    assert (done.code, "plugin bad (bad.py) does not import" in done.err) == (2, True)
    assert Path("plugins.toml").read_text() == 'enabled = ["openai"]\n'


def test_a_plugin_with_options_is_not_turned_off_half(cli: Cli) -> None:
    """Its table would refuse the next start."""
    Path("plugins.toml").write_text('enabled = ["openai"]\n\n[config.openai]\nkeepalive_s = 3\n')
    done = cli("plugins", "disable", "openai")
    assert done.code == 2
    assert "plugins.toml:3: remove the table [config.openai] first" in done.err


# --- commands of plugins ---------------------------------------------------------------------------------------------


def test_a_plugin_brings_a_command(cli: Cli) -> None:
    """Found by name and in the help."""
    Path("mine.py").write_text(COMMAND_PLUGIN.format(name="dig", body="click.echo('gold')"))
    Path("plugins.toml").write_text('enabled = ["./mine.py"]')
    assert cli("dig").out == "gold\n"
    assert "Dig for something." in cli("--help").out


def test_a_command_of_a_plugin_fails_politely(cli: Cli) -> None:
    """Our errors are one message and exit code 1; Ctrl-C is 130."""
    Path("mine.py").write_text(COMMAND_PLUGIN.format(name="dig", body="raise ModelLoadError('no gold')"))
    Path("plugins.toml").write_text('enabled = ["./mine.py"]')
    done = cli("dig")
    assert (done.code, done.err) == (1, f"Error: {ModelLoadError('no gold').message}\n")
    Path("mine.py").write_text(COMMAND_PLUGIN.format(name="dig", body="raise KeyboardInterrupt"))
    assert cli("dig").code == 130


def test_a_plugin_cannot_replace_a_built_in_command(cli: Cli) -> None:
    """The built-in one is used; help says so."""
    Path("mine.py").write_text(COMMAND_PLUGIN.format(name="version", body="click.echo('stolen')"))
    Path("plugins.toml").write_text('enabled = ["./mine.py"]')
    assert "stolen" not in cli("version").out
    assert "both jackfield itself and the plugin mine have a command version" in cli("--help").err


def test_help_works_while_a_plugin_is_broken(cli: Cli) -> None:
    """Fail open, with a warning that names it."""
    Path("bad.py").write_text("1 / 0")
    Path("plugins.toml").write_text('enabled = ["./bad.py"]')
    done = cli("--help")
    assert done.code == 0
    assert "serve" in done.out
    assert "commands of plugins are missing: plugin bad (bad.py) does not import" in done.err


def test_built_in_commands_import_no_plugin(cli: Cli) -> None:
    """Their modules are not even looked at."""
    Path("mine.py").write_text(MARKER_PLUGIN)
    Path("plugins.toml").write_text('enabled = ["./mine.py"]')
    for arguments in (("version",), ("serve", "--help"), ("plugins", "--help"), ("completion", "bash")):
        cli(*arguments)
    assert not Path("imported").exists()
