"""Personal data: what is found, what is not, and how it is masked."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.ports.guardrail import GuardedText, Mask
from jackfield_guardrails.entities import FORMS, MATCH_MAX
from jackfield_guardrails.forms import LONGEST, FormDetector
from jackfield_guardrails.widths import width

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.ports.guardrail import Subject

ALL = FormDetector(list(FORMS))

FOUND = [
    ("email", "joe@example.com"),
    ("email", "first.last+tag@mail.example.co.uk"),
    ("email", "jürgen@exämple.de"),
    ("email", "ｊｏｅ＠ｅｘａｍｐｌｅ．ｃｏｍ"),
    ("card", "4111111111111111"),
    ("card", "4111-1111-1111-1111"),
    ("card", "3782 822463 10005"),
    ("card", "4111.1111.1111.1111"),
    ("card", "4111\N{NO-BREAK SPACE}1111\N{NO-BREAK SPACE}1111\N{NO-BREAK SPACE}1111"),
    ("card", "4111\N{NON-BREAKING HYPHEN}1111\N{EN DASH}1111\N{MINUS SIGN}1111"),
    ("card", "٤١١١ ١١١١ ١١١١ ١١١١"),
    ("card", "۴۱۱۱۱۱۱۱۱۱۱۱۱۱۱۱"),
    ("iban", "DE89 3704 0044 0532 0130 00"),
    ("iban", "DE89\N{NARROW NO-BREAK SPACE}3704 0044\N{THIN SPACE}0532 0130\N{FIGURE SPACE}00"),
    ("iban", "gb82west12345698765432"),
    ("phone", "+49 30 901820"),
    ("phone", "+1 (555) 123-4567"),
    ("phone", "0044 20 7946 0958"),
    ("ip", "192.168.1.20"),
    ("ip", "2001:db8::ff00:42:8329"),
    ("us_ssn", "123-45-6789"),
    ("uk_nino", "AB 12 34 56 C"),
    ("de_steuer_id", "86 095 742 719"),
    ("fr_nir", "2 55 08 14 168 025 38"),
    ("es_dni", "12345678-Z"),
    ("in_aadhaar", "2341 2341 2346"),
    ("br_cpf", "529.982.247-25"),
    ("token", "sk-proj-abcdefghijklmnopqrstuvwxyz"),
    ("token", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"),
    ("token", "AKIAIOSFODNN7EXAMPLE"),
    ("token", "xoxb-123456789012-abcdefghijkl"),
    ("token", "jf_abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJ123456"),
    ("token", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"),
    ("token", "Zm9vYmFyMTIzNDU2Nzg5MGFiY2RlZkdISUpLTE1OT1A="),
    ("token", "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----"),
]

CLEAN = [
    "The meeting is at 10:30 on 2024-05-06 in room 4111.",
    "Order 4111 1111 1111 1112, invoice 1234-5678-9012-3456.",
    "3.14159265358979323846264338327950288419716939937510",
    "commit 4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "uuid 123e4567-e89b-12d3-a456-426614174000",
    "https://example.com/some/long/path/that-has-many-words-in-it/index.html",
    "src/components/application/navigation/NavigationBarComponent",
    "user@localhost and @handle and name@",
    "version 1.2.3.4567 of 10.5.3",
    "PASSWORD=${PASSWORD} TOKEN=<your token> SECRET=[TOKEN_1] api_key = os.environ['KEY']",
    "x = a[i+1] + b[2*i] - c",
    "C++20, 1+1=2, +1 for this",
]


@pytest.mark.parametrize(("code", "value"), FOUND)
@pytest.mark.parametrize("around", ["{}", "it is {}, I think", "«{}»", "\n{}\n"])
def test_what_is_found(code: str, value: str, around: str) -> None:
    """All of it, and nothing beside it."""
    text = around.format(value)
    places = [(place.code, text[place.start : place.end]) for place in ALL.find(text, 0)]
    assert places == [(code, value)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("DB_PASSWORD=hunter2-hunter2", "hunter2-hunter2"),
        ("export API_KEY='abcd-efgh-1234'\n", "abcd-efgh-1234"),
        ('{"client_secret": "s3cr3t!value", "x": 1}', "s3cr3t!value"),
        ("password = 'correcthorseBattery'", "correcthorseBattery"),
    ],
)
def test_what_is_assigned_to_such_a_name(text: str, value: str) -> None:
    """The value alone is found."""
    places = [(place.code, text[place.start : place.end]) for place in ALL.find(text, 0)]
    assert places == [("assignment", value)]


@pytest.mark.parametrize("text", CLEAN)
def test_what_is_not(text: str) -> None:
    """Numbers, addresses and names that are nobody's."""
    assert [place.code for place in ALL.find(text, 0)] == []


def test_no_form_is_longer_than_it_says() -> None:
    """What streams hold back depends on it."""
    for name, form in FORMS.items():
        most = width(form.expression).most
        assert most is not None, name
        assert most <= MATCH_MAX, name
    assert LONGEST > MATCH_MAX


def test_the_same_value_has_the_same_placeholder(rules: Any, masked: Callable[..., str]) -> None:
    """And two values have two."""
    text = "joe@example.com, ann@example.com, joe@example.com, 4111111111111111"
    assert masked(rules.one('kind = "pii"'), text) == "[EMAIL_1], [EMAIL_2], [EMAIL_1], [CARD_1]"


def test_numbers_go_on_within_a_request_and_begin_anew_with_the_next(
    rules: Any, masked: Callable[..., str], somebody: Callable[..., Subject]
) -> None:
    """Answers too know what the prompt's values are called; another caller's request of the same id does not."""
    guardrail = rules.one('kind = "pii"')
    assert masked(guardrail, "joe@example.com") == "[EMAIL_1]"
    assert masked(guardrail, "ann@example.com joe@example.com", somebody("output")) == "[EMAIL_2] [EMAIL_1]"
    assert masked(guardrail, "ann@example.com", somebody(request_id="req-2")) == "[EMAIL_1]"
    assert masked(guardrail, "ann@example.com", somebody(key="other")) == "[EMAIL_1]"


def test_what_a_text_says_by_itself_is_no_placeholder(rules: Any, masked: Callable[..., str]) -> None:
    """Or the wrong thing would come back."""
    assert masked(rules.one('kind = "pii"'), "[EMAIL_1] joe@example.com") == "[EMAIL_1] [EMAIL_2]"


def test_other_texts_of_a_request_count_as_well(rules: Any, somebody: Callable[..., Subject]) -> None:
    """Also later ones."""
    texts = [GuardedText(text="joe@example.com"), GuardedText(text="what is [EMAIL_1]?")]

    async def judge() -> Any:
        return await rules.one('kind = "pii"').judge(somebody(), texts)

    first, second = asyncio.run(judge())
    assert first.masks == (Mask(0, 15, "[EMAIL_2]", True),)
    assert not second.masks


def test_only_prompts_are_restored(rules: Any, judged: Callable[..., Any], somebody: Callable[..., Subject]) -> None:
    """What the model makes up is nobody's original."""
    guardrail = rules.one('kind = "pii"')
    assert judged(guardrail, "joe@example.com").masks[0].restore
    assert not judged(guardrail, "joe@example.com", somebody("output")).masks[0].restore
    assert not judged(rules.one('kind = "pii"\nrestore = false'), "joe@example.com").masks[0].restore


def test_entities_are_chosen(rules: Any, masked: Callable[..., str]) -> None:
    """National numbers and addresses only where somebody asks for them."""
    text = "joe@example.com 123-45-6789 10.0.0.1"
    assert masked(rules.one('kind = "pii"'), text) == "[EMAIL_1] 123-45-6789 10.0.0.1"
    chosen = rules.one('kind = "pii"\nentities = ["us_ssn", "ip"]')
    assert masked(chosen, text) == "joe@example.com [US_SSN_1] [IP_1]"


def test_a_replacement_of_ones_own(rules: Any, masked: Callable[..., str]) -> None:
    """The same for all; then nothing comes back."""
    assert masked(rules.one('kind = "pii"\nreplacement = "***"'), "joe@example.com") == "***"


@pytest.mark.parametrize(("action", "blocked"), [("block", True), ("pass", False)])
def test_actions(rules: Any, judged: Callable[..., Any], action: str, *, blocked: bool) -> None:
    """Blocked, or noted."""
    verdict = judged(rules.one(f'kind = "pii"\naction = "{action}"'), "joe@example.com")
    assert verdict.blocked == blocked
    assert [(each.category, each.code, each.action) for each in verdict.findings] == [("pii", "email", action)]
    assert not verdict.masks


_PIECES = st.sampled_from([value for _, value in FOUND] + CLEAN + ["[EMAIL_1]", "[CARD_2] ", " and ", ", ", "\n", "é"])
_TEXTS = st.lists(_PIECES | st.text(max_size=10), max_size=6).map("".join)


@settings(deadline=None)
@given(texts=st.lists(_TEXTS, max_size=4))
def test_masking_and_restoring_gives_the_original(texts: list[str]) -> None:
    """Whatever the texts of a request say: a placeholder stands for one value only, and for no other text."""
    from jackfield_guardrails.local import PlaceGuardrail
    from jackfield_guardrails.placeholders import Placeholders
    from jackfield_guardrails.rules import PiiRule

    guardrail = PlaceGuardrail(PiiRule(), ALL, "pii", Placeholders(), restore=True)
    request = _subject()

    async def judge() -> Any:
        return await guardrail.judge(request, [GuardedText(text=text) for text in texts])

    originals: dict[str, str] = {}
    shown: list[str] = []
    for text, verdict in zip(texts, asyncio.run(judge()), strict=True):
        done, parts = 0, []
        for each in verdict.masks:
            assert done <= each.start < each.end <= len(text)
            assert originals.setdefault(each.replacement, text[each.start : each.end]) == text[each.start : each.end]
            parts += [text[done : each.start], each.replacement]
            done = each.end
        shown.append("".join([*parts, text[done:]]))
    marks = re.compile("|".join(map(re.escape, originals)) or r"(?!)")
    assert [marks.sub(lambda mark: originals[mark[0]], text) for text in shown] == texts


@settings(deadline=None, max_examples=200)
@given(text=_TEXTS, lengths=st.lists(st.integers(1, 200), min_size=1, max_size=8))
def test_a_cut_changes_nothing(text: str, lengths: list[int]) -> None:
    """With so much held back as ``longest`` says, a stream has the masks that the whole text has."""
    whole = [(place.start, place.end) for place in ALL.find(text, 0)]
    if any(end - start > MATCH_MAX for start, end in whole):
        return  # such a token may come in parts; see the test below
    assert _streamed(text, lengths) == whole


@settings(deadline=None)
@given(size=st.integers(200, 1500), lengths=st.lists(st.integers(1, 300), min_size=1, max_size=8))
def test_nothing_of_a_long_token_is_seen(size: int, lengths: list[int]) -> None:
    """It is masked in parts, one beside the other."""
    token = ("sk-" + "aB3dE6gH9jK2mN5pQ8sT1vW4xY7z" * 60)[:size]
    text = f"it is {token} there"
    places = _streamed(text, lengths)
    covered = [at for start, end in places for at in range(start, end)]
    assert covered == list(range(6, 6 + size))


def _streamed(text: str, lengths: list[int]) -> list[tuple[int, int]]:
    """Masks of a text that comes in pieces, by the rule of ``GuardrailTraits.longest``."""
    found: list[tuple[int, int]] = []
    done = came = turn = 0
    while came < len(text):
        came = min(len(text), came + lengths[turn % len(lengths)])
        turn += 1
        limit = came if came == len(text) else came - LONGEST + 1
        if limit <= done:
            continue
        first = max(0, done - LONGEST)
        for place in ALL.find(text[first:came], done - first):
            if first + place.start < limit:
                found.append((first + place.start, first + place.end))
                done = first + place.end
        done = max(done, limit)
    return found


def _subject() -> Subject:
    from jackfield.ports.guardrail import Subject

    return Subject(stage="input", request_id="req-1", model="demo", route="/v1/chat/completions")
