"""Languages, by their scripts and frequent words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield_guardrails.frequent_words import FREQUENT
from jackfield_guardrails.languages import SCRIPTS, language

if TYPE_CHECKING:
    from collections.abc import Callable

SENTENCES = {
    "en": "Please tell me how this works and what the costs are, because I have not found it on your page.",
    "de": "Bitte sag mir, wie das geht und was es kostet, weil ich es auf der Seite nicht gefunden habe.",
    "fr": "Dites-moi comment cela fonctionne et combien ça coûte, car je ne l'ai pas trouvé sur votre page.",
    "es": "Dime por favor cómo funciona esto y cuánto cuesta, porque no lo he encontrado en la página.",
    "it": "Dimmi per favore come funziona e quanto costa, perché non ho trovato nulla sulla pagina della ditta.",
    "pt": "Por favor, me diga como isso funciona e quanto custa, porque não encontrei nada na sua página.",
    "nl": "Vertel me hoe het werkt en wat het kost, want ik heb het niet op de pagina van de winkel gevonden.",
    "sv": "Berätta för mig hur det fungerar och vad det kostar, för jag har inte hittat det på er sida.",
    "pl": "Powiedz mi proszę, jak to działa i ile to kosztuje, bo nie znalazłem tego na stronie.",
    "tr": "Lütfen bana bunun nasıl olduğunu ve ne kadar olduğunu söyle, çok aradım ama bir şey yok.",
    "ru": "Скажи мне, пожалуйста, как это работает и сколько это стоит, потому что я не нашёл этого на сайте.",
    "uk": "Скажи мені, будь ласка, як це працює і скільки це коштує, бо я не знайшов цього на сайті.",
    "el": "Πες μου πώς λειτουργεί αυτό και πόσο κοστίζει.",
    "ar": "قل لي كيف يعمل هذا وكم يكلف من فضلك.",
    "he": "תגיד לי איך זה עובד וכמה זה עולה בבקשה.",
    "hi": "कृपया मुझे बताएं कि यह कैसे काम करता है और इसकी कीमत क्या है।",
    "th": "ช่วยบอกฉันหน่อยว่ามันทำงานอย่างไรและราคาเท่าไหร่",
    "ko": "이것이 어떻게 작동하는지 그리고 비용이 얼마인지 알려주세요.",
    "ja": "これがどのように機能し、費用がいくらかかるか教えてください。",
    "zh": "请告诉我这是如何工作的以及费用是多少。",
}


@pytest.mark.parametrize(("name", "sentence"), SENTENCES.items())
def test_each_language_is_told(name: str, sentence: str) -> None:
    """In one sentence."""
    assert language(sentence)[0] == name


def test_every_language_that_can_be_named_can_be_told() -> None:
    """By its script, or by its words."""
    assert {name for names in SCRIPTS.values() for name in names} == set(SENTENCES)
    shared = {name for names in SCRIPTS.values() if len(names) > 1 for name in names}
    assert set(FREQUENT) == shared


@pytest.mark.parametrize("text", ["", "12345 !?", "xyzzy plugh", "def f(x): return x", "https://example.com/a/b"])
def test_what_is_no_language(text: str) -> None:
    """Nothing is said of it."""
    assert language(text)[0] == ""


def test_what_is_allowed_and_what_is_not(rules: Any, judged: Callable[..., Any]) -> None:
    """Either list; short texts pass."""
    allow = rules.one('kind = "language"\nallow = ["en", "fr"]')
    deny = rules.one('kind = "language"\ndeny = ["de"]')
    assert not judged(allow, SENTENCES["en"]).findings
    assert [each.code for each in judged(allow, SENTENCES["ja"]).findings] == ["language_ja"]
    assert judged(deny, SENTENCES["de"]).blocked
    assert not judged(deny, SENTENCES["ja"]).findings
    assert not judged(deny, "Das ist gut").findings


@given(st.text(max_size=200))
def test_any_text_has_an_answer(text: str) -> None:
    """A known one, and a share of certainty."""
    name, sure = language(text)
    assert name in {"", *SENTENCES}
    assert 0.0 <= sure <= 1.0
