"""``jackfield cache`` against a server that really runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from jackfield.cache_report import CacheCleared, CacheReport, ScopeReport
from jackfield.channel.operator import AskCaches, AskedWorker, CacheRead, CachesAsked
from jackfield.cli import cache_answers
from jackfield.cli.cache_answers import WorkerCache
from jackfield.cli.cache_tables import print_caches, print_cleared
from jackfield.ports.observer import StoreStats
from jackfield.testing.background import BackgroundLoop
from jackfield.testing.command import CommandResult, run_command
from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.serve import ServeProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jackfield.cli.servers import Operator


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    """A server with three models, one of which caches nothing."""
    models = {"alpha": 'aliases = ["a"]', "beta": "", "embeds": 'options = { tasks = ["embed"] }'}
    with BackgroundLoop() as loop:
        process = ServeProcess(
            scripted_manifest(models, enabled=("kv-memory",)), tmp_path_factory.mktemp("server"), loop
        )
        process.wait_ready()
        (process.folder / "long.txt").write_text("A long story, xyzzy. " * 20)
        (process.folder / "other.txt").write_text("Another story altogether.")
        yield process
        process.close()


@pytest.fixture
def ask(running: ServeProcess) -> Callable[[str], CommandResult]:
    """Runs ``jackfield cache`` where it finds that server, with empty caches."""
    assert run_command("cache clear", running.folder).code == 0
    return lambda arguments: run_command(f"cache {arguments}", running.folder)


def read(result: CommandResult) -> list[dict[str, Any]]:
    """JSON that a command printed."""
    assert result.code == 0, result.output
    rows: list[dict[str, Any]] = json.loads(result.output)
    return rows


def test_the_second_time_nothing_is_computed(ask: Callable[[str], CommandResult]) -> None:
    """But the last token, whose logits are needed."""
    first = read(ask("warm alpha long.txt other.txt --json"))
    assert [(each["name"], each["cached_tokens"], each["error"]) for each in first] == [
        ("long.txt", 0, ""),
        ("other.txt", first[1]["cached_tokens"], ""),
    ]
    second = read(ask("warm alpha long.txt other.txt --json"))
    for each in second:
        assert each["cached_tokens"] >= each["prompt_tokens"] - 1 > 0
        assert each["duration_s"] > 0
    table = ask("warm alpha long.txt").output.splitlines()
    assert table[0].split() == ["PROMPT", "TOKENS", "CACHED", "TIME", "NOTE"]
    assert table[1].split()[0] == "long.txt"


def test_what_is_cached_is_shown(ask: Callable[[str], CommandResult]) -> None:
    """By model; one that caches nothing says why."""
    [before] = [each["answer"] for each in read(ask("show alpha --json"))]
    [warmed] = read(ask("warm a long.txt --json"))
    alpha, beta, embeds = read(ask("show --json"))
    report = alpha["answer"]
    assert alpha["model"] == "alpha"
    assert report["lookups"] == before["lookups"] + 1
    assert report["computed_tokens"] == before["computed_tokens"] + warmed["prompt_tokens"]
    assert report["prefixes"] == 1
    assert max(report["idle_tokens"], report["stored_tokens"]) >= warmed["prompt_tokens"] - 1
    assert [store["name"] for store in report["stores"]] == ["kv-memory"]
    assert [scope["prefixes"] for scope in report["scopes"]] == [1]
    assert beta["answer"]["prefixes"] == 0
    assert embeds["note"] == embeds["answer"]["off"] != ""


def test_tables_for_people(ask: Callable[[str], CommandResult]) -> None:
    """One of models, one of stores, and one of scopes where that is asked for."""
    read(ask("warm alpha long.txt --json"))
    plain = ask("show alpha").output
    assert plain.splitlines()[0].split()[:4] == ["MODEL", "PREFIXES", "RUNNING", "IDLE"]
    assert "kv-memory" in plain
    assert "SCOPE" not in plain
    assert "SCOPE" in ask("show alpha --scopes").output


def test_no_prompt_is_shown(ask: Callable[[str], CommandResult]) -> None:
    """Neither by text nor by token ids."""
    read(ask("warm alpha long.txt --json"))
    for arguments in ("show", "show --scopes", "show --json", "clear --json"):
        output = ask(arguments).output
        assert "xyzzy" not in output
        assert str(ord("x")) + ", " + str(ord("y")) not in output


def test_clear_says_how_much(ask: Callable[[str], CommandResult]) -> None:
    """Afterwards the same prompt is computed anew; other models keep theirs."""
    read(ask("warm alpha long.txt --json"))
    read(ask("warm beta long.txt --json"))
    done = ask("clear a")
    assert done.code == 0
    assert done.output.startswith("alpha: cleared; prefixes: 1, ")
    assert "beta" not in done.output
    [again] = read(ask("warm alpha long.txt --json"))
    assert again["cached_tokens"] == 0
    [other] = read(ask("warm beta long.txt --json"))
    assert other["cached_tokens"] > 0


def test_a_system_prompt_is_warmed_alone_or_before_others(ask: Callable[[str], CommandResult]) -> None:
    """What begins with it is found then, whatever follows."""
    text = "Answer in verse. " * 10
    [alone] = read(ask(f"warm alpha --system '{text}' --json"))
    assert alone["name"] == "--system"
    [before] = read(ask(f"warm alpha --system '{text}' --prompt 'Who are you?' --json"))
    assert before["name"] == "--prompt"
    assert before["cached_tokens"] >= len(text)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("warm alpha", 2, "there is nothing to warm"),
        ("warm alpha nowhere.txt", 1, "nowhere.txt: No such file"),
        ("warm alpha .", 2, "is a directory"),
        ("warm alpha binary.bin", 2, "binary.bin is not UTF-8 text"),
        ("warm gamma long.txt", 1, "'gamma'"),
        ("warm embeds long.txt", 1, ""),
        ("show gamma", 1, "this server has no model 'gamma'; it has alpha, beta, embeds"),
        ("clear gamma", 1, "this server has no model 'gamma'"),
        ("warm gamma long.txt --url 127.0.0.1:1", 1, "127.0.0.1:1"),
        ("warm alpha long.txt --server 127.0.0.1:1", 1, "no server runs at 127.0.0.1:1"),
        ("warm alpha long.txt --server 127.0.0.1:1 --url 127.0.0.1:1", 2, "--server and --url exclude each other"),
        ("show --server 127.0.0.1:1", 1, "no server runs at 127.0.0.1:1"),
    ],
)
def test_mistakes(
    running: ServeProcess, ask: Callable[[str], CommandResult], arguments: str, code: int, message: str
) -> None:
    """Each has its exit code and names what is wrong."""
    (running.folder / "binary.bin").write_bytes(b"\xff\xfe\x00")
    done = ask(arguments)
    assert done.code == code, done.output
    assert message in done.output
    assert "Traceback" not in done.output


def test_a_prompt_that_is_too_long_does_not_stop_the_others(
    running: ServeProcess, ask: Callable[[str], CommandResult]
) -> None:
    """It says so in its row; the exit code is 1."""
    (running.folder / "huge.txt").write_text("word " * 5000)
    done = ask("warm alpha huge.txt other.txt --json")
    assert done.code == 1
    huge, other = json.loads(done.output)
    assert huge["error"]
    assert other["error"] == ""
    assert other["prompt_tokens"] > 0


class Server:
    """An ``Operator``'s side of a server whose workers answer late or never."""

    def __init__(self, worker: AskedWorker, answers: list[CacheRead]) -> None:
        self._worker = worker
        self._answers = answers

    def ask_caches(self, _question: AskCaches) -> CachesAsked:
        return CachesAsked(workers=[self._worker])

    def read_cache(self, ticket: int) -> CacheRead:
        assert ticket == self._worker.ticket
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def asked(worker: AskedWorker, *answers: CacheRead) -> WorkerCache:
    """What becomes of the question."""
    server: Any = Server(worker, list(answers))
    operator: Operator = server
    [cache] = cache_answers.ask(operator, AskCaches())
    return cache


def test_a_worker_that_is_slow_is_waited_for() -> None:
    """It answers between two steps."""
    worker = AskedWorker(model="m", state="ready", ticket=7)
    answer = CacheReport(prefixes=3)
    cache = asked(worker, CacheRead(), CacheRead(), CacheRead(answer=answer))
    assert (cache.answer, cache.silent, cache.note) == (answer, False, "")


def test_a_worker_that_hangs_is_not_waited_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said to be silent."""
    monkeypatch.setattr(cache_answers, "ANSWER_S", 0.05)
    cache = asked(AskedWorker(model="m", state="ready", ticket=7), CacheRead())
    assert cache.silent
    assert "has not answered" in cache.note


def test_a_worker_that_dies_is_told() -> None:
    """With what the server knows of it."""
    cache = asked(AskedWorker(model="m", state="ready", ticket=7), CacheRead(lost="its process has ended"))
    assert (cache.answer, cache.silent, cache.note) == (None, True, "its process has ended")


def test_a_worker_that_loads_is_no_fault() -> None:
    """It has no cache yet."""
    cache = asked(AskedWorker(model="m", state="loading", reason="loading 43 %"), CacheRead())
    assert (cache.answer, cache.silent, cache.note) == (None, False, "loading 43 %")


def test_all_figures_have_their_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """As people read them."""
    report = CacheReport(
        prefixes=1200,
        running_tokens=30,
        idle_tokens=4000,
        stored_tokens=50_000,
        kv_tokens=60_000,
        lookups=8,
        hits=2,
        cached_tokens=9000,
        computed_tokens=1000,
        saved_s=12.34,
        scopes=[ScopeReport(scope="00ff00ff", prefixes=1, running_tokens=2, idle_tokens=3, stored_tokens=4)],
        more_scopes=5,
        stores=[
            StoreStats(
                name="kv-disk",
                entries=2,
                used_bytes=3 << 20,
                limit_bytes=5 << 30,
                hits=7,
                dropped=11,
                error="full",
                troubles={"disk_full": 1200, "corrupt": 1},
            )
        ],
    )
    caches = [
        WorkerCache(model="m", state="ready", answer=report),
        WorkerCache(model="new", state="ready", answer=CacheReport(lookups=1, hits=1, cached_tokens=9)),
        WorkerCache(model="off", state="ready", note="why not", answer=CacheReport(off="why not")),
        WorkerCache(model="slow", state="loading", note="loading 43 %"),
    ]
    print_caches(caches, scopes=True)
    text = " ".join(capsys.readouterr().out.split())
    assert "m 1,200 30 4,000 60,000 50,000 2 of 8, 25 % 9,000 of 10,000 tokens, 12.3 s" in text
    assert "new 0 0 0 0 0 1 of 1, 100 % 9 of 9 tokens off" in text, "what nobody has measured is not shown as no time"
    assert "off - - - - - - - why not slow - - - - - - - loading 43 %" in text
    assert "m kv-disk 2 3 MiB 5.0 GiB 7 11 full; disk_full 1,200; corrupt 1" in text
    assert "m 00ff00ff 1 2 3 4 m: 5 more" in text
    print_cleared(
        [
            WorkerCache(
                model="m", state="ready", answer=CacheCleared(prefixes=1, idle_tokens=2, entries=3, stored_bytes=4096)
            ),
            WorkerCache(model="slow", state="loading", note="loading 43 %"),
        ]
    )
    assert capsys.readouterr().out.splitlines() == [
        "m: cleared; prefixes: 1, tokens on the device: 2, states in stores: 3 (4 KiB)",
        "slow: nothing cleared: loading 43 %",
    ]
