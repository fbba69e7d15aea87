"""Rules as they are written: in ``[config.guardrails.rules.NAME]``, and in documents of a policy store."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from jackfield.outbound.options import OutboundOptions
from jackfield.ports.guardrail import Channel, Stage
from jackfield.secret import SecretReference

Label: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^([a-z][a-z0-9_-]{0,31})?\Z")]
"""A category or a code; empty is the kind's own."""

Globs: TypeAlias = Annotated[
    tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=256)], ...], msgspec.Meta(max_length=1000)
]
"""Names, in which ``*``, ``?`` and ``[…]`` stand for others; empty is everybody."""

Share: TypeAlias = Annotated[float, msgspec.Meta(gt=0.0, le=1.0)]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]

Entity: TypeAlias = Literal[
    "email",
    "card",
    "iban",
    "phone",
    "token",
    "ip",
    "us_ssn",
    "uk_nino",
    "de_steuer_id",
    "fr_nir",
    "es_dni",
    "in_aadhaar",
    "br_cpf",
]
"""What a rule of the kind ``pii`` can look for."""

Language: TypeAlias = Literal[
    "ar",
    "de",
    "el",
    "en",
    "es",
    "fr",
    "he",
    "hi",
    "it",
    "ja",
    "ko",
    "nl",
    "pl",
    "pt",
    "ru",
    "sv",
    "th",
    "tr",
    "uk",
    "zh",
]
"""What a rule of the kind ``language`` can tell."""

USUAL_ENTITIES: Final[tuple[Entity, ...]] = ("email", "card", "iban", "phone", "token")


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What rules of every kind say."""

    stages: Annotated[tuple[Stage, ...], msgspec.Meta(min_length=1)] = ("input", "output")
    """When it judges: prompts (``input``), answers (``output``)."""
    channels: Annotated[tuple[Channel, ...], msgspec.Meta(min_length=1)] = ("content", "reasoning", "arguments")
    """What of an answer, or of a conversation: texts, thoughts, arguments of calls."""
    category: Label = ""
    """What its findings are called; the kind's own where it is empty."""
    code: Label = ""
    """The reason that its findings give; the kind's own where it is empty."""
    default_on: bool = True
    """Whether it judges requests for which no policy demands it."""
    moderation: bool = True
    """Whether ``/v1/moderations`` answers from it."""
    keys: Globs = ()
    """Names or ids of the callers' keys that it concerns; empty is everybody."""
    teams: Globs = ()
    """Teams that it concerns; empty is everybody."""
    models: Globs = ()
    """Models that it concerns; empty is all."""
    routes: Globs = ()
    """Routes that it concerns, as path patterns; empty is all."""


class MaskingRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What finds places in a text can mask them."""

    action: Literal["pass", "mask", "block"] = "block"
    """What becomes of a finding: it is noted (``pass``), replaced (``mask``), or the request is refused (``block``)."""
    replacement: Annotated[str, msgspec.Meta(max_length=64)] = ""
    """What stands there instead where it masks; empty is the code in capitals: ``[WORD_LIST]``."""


class BlockingRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What judges texts as a whole cannot mask."""

    action: Literal["pass", "block"] = "block"
    """What becomes of a finding: it is noted (``pass``), or the request is refused (``block``)."""


class WordsRule(MaskingRule, frozen=True, kw_only=True, tag="words"):
    """Kind ``words``: words and phrases, of any case, also in fullwidth letters or with invisible characters."""

    words: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=100)], ...], msgspec.Meta(max_length=10_000)
    ] = ()
    """What it looks for; white space in a phrase stands for one to three white-space characters."""
    files: tuple[str, ...] = ()
    """Text files with further ones, one a line; relative paths start at the folder of ``plugins.toml``. Empty lines
    and such that begin with ``#`` do not count."""
    whole_words: bool = True
    """Whether a word is found only where no letter or digit stands next to it."""
    longest: Annotated[int, msgspec.Meta(ge=0, le=4000)] = 0
    """Characters that streams hold back for it at least, so that a document of the policy store may bring longer
    words."""


class RegexRule(MaskingRule, frozen=True, kw_only=True, tag="regex"):
    """Kind ``regex``: regular expressions, in time linear in the text (google-re2: none that look around or back)."""

    patterns: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=4000)], ...], msgspec.Meta(max_length=1000)
    ] = ()
    """What it looks for, in re2's syntax. Those without a longest match cannot be masked, and have answers judged when
    they are complete."""
    ignore_case: bool = False
    """Whether capitals do not matter."""
    longest: Annotated[int, msgspec.Meta(ge=0, le=4000)] = 0
    """Characters that streams hold back for it at least, so that a document of the policy store may bring longer
    patterns."""


class PiiRule(MaskingRule, frozen=True, kw_only=True, tag="pii"):
    """Kind ``pii``: personal data, by its form and its check digits."""

    action: Literal["pass", "mask", "block"] = "mask"
    """What becomes of a finding: it is noted (``pass``), replaced (``mask``), or the request is refused (``block``)."""
    entities: Annotated[tuple[Entity, ...], msgspec.Meta(min_length=1)] = USUAL_ENTITIES
    """What it looks for."""
    restore: bool = True
    """Whether what is masked in a prompt comes back where the answer repeats its placeholder."""


class SecretsRule(MaskingRule, frozen=True, kw_only=True, tag="secrets"):
    """Kind ``secrets``: keys, tokens, private keys and passwords that are assigned to a name."""

    action: Literal["pass", "mask", "block"] = "mask"
    """What becomes of a finding: it is noted (``pass``), replaced (``mask``), or the request is refused (``block``)."""
    stages: Annotated[tuple[Stage, ...], msgspec.Meta(min_length=1)] = ("output",)
    """When it judges: prompts (``input``), answers (``output``)."""
    assignments: bool = True
    """Whether what looks like a line of an environment file is one: ``DB_PASSWORD=…``."""
    entropy: bool = True
    """Whether random texts of 32 or more characters are secrets also where nothing says so."""


class InjectionRule(BlockingRule, frozen=True, kw_only=True, tag="injection"):
    """Kind ``injection``: texts that tell a model to forget its instructions, or pretend to be its system prompt."""

    stages: Annotated[tuple[Stage, ...], msgspec.Meta(min_length=1)] = ("input",)
    """When it judges: prompts (``input``), answers (``output``)."""
    roles: tuple[str, ...] = ("user", "tool", "")
    """Whose messages it judges; the empty one is that of texts outside conversations."""
    threshold: Annotated[float, msgspec.Meta(gt=0.0, le=0.98)] = 0.5
    """Score from which a text is a finding; no text scores more than 0.98."""


class LanguageRule(BlockingRule, frozen=True, kw_only=True, tag="language"):
    """Kind ``language``: languages that are allowed, or are not, as scripts and frequent words tell them."""

    allow: tuple[Language, ...] = ()
    """A text in any other language that it can tell is a finding; empty allows all."""
    deny: tuple[Language, ...] = ()
    """A text in one of these is a finding."""
    threshold: Share = 0.6
    """How sure it must be."""
    min_characters: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 20
    """Letters that a text must have to be judged."""


class TopicsRule(BlockingRule, frozen=True, kw_only=True, tag="topics"):
    """Kind ``topics``: topics, by the weights of the terms that a text has."""

    topics: Annotated[
        dict[
            Label,
            dict[
                Annotated[str, msgspec.Meta(min_length=1, max_length=100)],
                Annotated[float, msgspec.Meta(ge=-100, le=100)],
            ],
        ],
        msgspec.Meta(max_length=100),
    ] = {}
    """For each topic its terms and their weights: ``{gambling = {casino = 1, "slot machine" = 2}}``. A term counts
    once; a negative weight speaks against the topic. The topic's name is the code of its findings."""
    threshold: Annotated[float, msgspec.Meta(gt=0.0, le=1000.0)] = 2.0
    """Sum of weights from which a text is about a topic."""


class LengthRule(BlockingRule, frozen=True, kw_only=True, tag="length"):
    """Kind ``length``: texts that are too long."""

    stages: Annotated[tuple[Stage, ...], msgspec.Meta(min_length=1)] = ("input",)
    """When it judges: prompts (``input``), answers (``output``)."""
    characters: Count | None = None
    """Most characters of one text."""
    lines: Count | None = None
    """Most lines of one text."""
    repeated: Count | None = None
    """Most times that one character may follow itself."""


class WebhookRule(Rule, frozen=True, kw_only=True, tag="webhook"):
    """Kind ``webhook``: somebody else's judgement, over HTTP."""

    url: Annotated[str, msgspec.Meta(max_length=2048)] = ""
    """Where texts are posted."""
    secret: SecretReference | None = None
    """Signs what is posted; without one nothing is signed."""
    outbound: OutboundOptions = OutboundOptions(timeout_s=5.0)
    """How it may be reached, and how long it may take: table `outbound` with `schemes`, `hosts`, `private_hosts`,
    `private_networks`, `timeout_s`, `limit_bytes`, `ca_file`, …"""
    masks: bool = False
    """Whether its answers may mask."""
    categories: Annotated[tuple[Label, ...], msgspec.Meta(min_length=1, max_length=64)] = ("webhook",)
    """Categories that its findings may have."""
    failures: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 5
    """Failures in a row after which it is left alone."""
    pause_s: Annotated[float, msgspec.Meta(gt=0.0, le=3600.0)] = 10.0
    """For how long; then one request tries it again."""
    window: Annotated[int, msgspec.Meta(ge=16, le=1_000_000)] | None = None
    """Characters of a streamed answer that are judged at a time; without it the answer is judged when it is
    complete."""
    window_ms: Annotated[int, msgspec.Meta(ge=1, le=60_000)] | None = None
    """Milliseconds after which what waits for a window to be full is judged and sent; without it there it waits."""
    fail: Literal["closed", "open"] = "closed"
    """What becomes of requests that it does not judge in time: they are refused with 503, or pass unjudged."""


class ClassifierRule(BlockingRule, frozen=True, kw_only=True, tag="classifier"):
    """Kind ``classifier``: a model of this server that classifies texts."""

    model: str = ""
    """Its name."""
    thresholds: dict[str, Share] = {}
    """For each label that matters the probability from which it is a finding."""
    codes: dict[str, Label] = {}
    """What findings of a label give as reason; a label that is no code is ``label`` where nothing is said."""
    max_characters: Annotated[int, msgspec.Meta(ge=64, le=100_000)] = 1500
    """Characters of a text that the model gets at a time; longer ones are cut into such windows."""
    overlap: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 200
    """Characters that two neighbouring windows share."""
    window: Annotated[int, msgspec.Meta(ge=16, le=1_000_000)] | None = None
    """Characters of a streamed answer that are judged at a time; without it the answer is judged when it is
    complete."""
    window_ms: Annotated[int, msgspec.Meta(ge=1, le=60_000)] | None = None
    """Milliseconds after which what waits for a window to be full is judged and sent; without it there it waits."""
    fail: Literal["closed", "open"] = "closed"
    """What becomes of requests that the model cannot judge: they are refused, or pass unjudged."""


AnyRule: TypeAlias = (
    WordsRule
    | RegexRule
    | PiiRule
    | SecretsRule
    | InjectionRule
    | LanguageRule
    | TopicsRule
    | LengthRule
    | WebhookRule
    | ClassifierRule
)
"""A rule of any kind."""
