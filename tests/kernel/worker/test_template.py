"""Chat templates: the field's semantics, and bounds for hostile ones."""

from __future__ import annotations

import json
import threading
import time

import pytest

from jackfield.chat import ChatPrompt, Message
from jackfield.errors import BackendFault, InvalidRequest, ModelLoadError
from jackfield.parsing.shaping import template_variables
from jackfield.worker import template as template_module
from jackfield.worker.template import SOURCE_MAX, ChatTemplate

_HELLO = (Message("user", "hello"),)
_CHATML = (
    "{%- for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{%- endif %}"
)


_NEST = "{% set ns = namespace(s=[]) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}"
"""A value that is small and would be written as a quintillion brackets."""


def _render(source: str, messages: tuple[Message, ...] = _HELLO, output_max: int = 10_000) -> str | None:
    variables = template_variables(ChatPrompt(messages))
    return ChatTemplate(source, {"bos_token": "<s>", "eos_token": "</s>"}, output_max).render(variables)


def test_chatml() -> None:
    """The most common template gives its well-known text, ready for the assistant's turn."""
    text = _render(_CHATML, (Message("system", "Be kind."), *_HELLO))
    assert text == (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ bos_token }}x{{ eos_token }}", "<s>x</s>"),
        ("  {% if true %}\n  a\n  {% endif %}\n", "  a\n"),
        ("{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}", "01"),
        ("{{ {'ä': [1, none]} | tojson }}", '{"ä": [1, null]}'),
        ("{{ messages[0]['content'].replace('l', 'L') }}", "heLLo"),
        ("{{ messages[0].content | replace('l', 'L') | trim }}", "heLLo"),
        ("{{ messages | selectattr('role', 'equalto', 'user') | list | length }}", "1"),
        ("{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}", "1"),
        ("{{ 'a\nb' | indent(2) }}", "a\n  b"),
        ("{{ messages[0].content.split('l')[0] }}", "he"),
        ("{{ tools is none }}", "True"),
        ("{{ 'a' ~ 1 ~ none ~ nowhere ~ [2] }}", "a1None[2]"),
        ("{{ [1, 'b'] | join('-') }}{{ ', '.join(['c', 'd']) }}", "1-bc, d"),
        ("{{ messages | join('-', attribute='role') }}{{ messages | map(attribute='role') | join }}", "useruser"),
        ("{% generation %}\n{{ messages[0].content }}{% endgeneration %}!", "hello!"),
        ("{{ '<{}|{}>'.format('a', 1) }}{{ '{1}{x}{{}}'.format('a', 'b', x=none) }}", "<a|1>bNone{}"),
        ("{% for i in [1] %}{{ '{}{x}'.format(i, x=2) }}{% endfor %}", "12"),
        ("{{ 5 | string + 'x' }}{{ [1, 'b'] }}", "5x[1, 'b']"),
        ("{{ {'b': 'ä', 'a': [1]} | tojson(ensure_ascii=True, sort_keys=True) }}", '{"a": [1], "b": "\\u00e4"}'),
        ("{{ {'b': 'ä', 'a': [1, 2]} | tojson(separators=(',', ':')) }}", '{"b":"ä","a":[1,2]}'),
        ("{{ messages | map(attribute='role') | tojson }}", '["user"]'),
        (
            "{% macro m(x) %}{{ varargs | join }}{{ kwargs.items() | list }}{% endmacro %}{{ m(1, 2, y=3) }}",
            "2[('y', 3)]",
        ),
        ("{{ [1, 2, 3][::-1] }}{{ 'abc'[1:] }}{{ messages[0].items() | list | length }}", "[3, 2, 1]bc2"),
        ("{% macro m(x) %}<{{ x }}>{% endmacro %}{% set y %}{{ m(1) }}!{% endset %}{{ m(y) }}", "<<1>!>"),
    ],
)
def test_semantics_of_the_field(source: str, text: str) -> None:
    """What published templates use works as in Hugging Face's renderer."""
    assert _render(source) == text


def test_tojson_is_json() -> None:
    """``tojson`` escapes nothing for HTML, unlike Jinja's own."""
    text = _render("{{ messages | tojson }}", (Message("user", "<&>'"),))
    assert text is not None
    assert json.loads(text) == [{"role": "user", "content": "<&>'"}]
    assert "<&>'" in text


def test_strftime_now_is_todays_date() -> None:
    """Templates that name the date get it."""
    assert _render("{{ strftime_now('%Y') }}") == time.strftime("%Y")


def test_a_developer_message_is_a_system_message() -> None:
    """OpenAI's newer role name works with templates that only know the older one."""
    assert _render("{{ messages[0].role }}", (Message("developer", "x"),)) == "system"


def test_a_template_may_refuse_a_conversation() -> None:
    """``raise_exception`` is the client's fault and says what the template said."""
    with pytest.raises(InvalidRequest, match="roles must alternate") as caught:
        _render("{{ raise_exception('roles must alternate') }}")
    assert caught.value.param == "messages"


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
        "{{ 'x' * 100000000 }}",
        "{{ 100000000 * 'x' }}",
        "{{ [1] * 100000000 }}",
        "{{ 2 ** 99999999 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '{:1000000000}'.format(1) }}",
        "{{ ('{0}' * 1000).format('x' * 9000000) }}",
        "{{ '{0.__class__}'.format('x') }}",
        "{{ '{0[0]}'.format('x') }}",
        "{% for i in [1] %}{{ '{_loop_vars}'.format(i) }}{% endfor %}",
        "{{ '{:>{}}'.format('x', 1000000000) }}",
        "{{ '{!r}'.format('x') }}",
        "{{ '{} {0}'.format('x') }}",
        "{{ 'x'.ljust(1000000000) }}",
        "{{ 'x'.zfill(1000000000) }}",
        "{{ 'x' | center(1000000000) }}",
        "{{ 'x' | indent(1000000000, true) }}",
        "{{ ('x' * 1000000).replace('x', 'y' * 1000000) }}",
        "{{ ('x' * 1000000) | replace('x', 'y' * 1000000) }}",
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        _NEST + "{{ ns.s }}",
        _NEST + "{{ ns.s | string }}",
        _NEST + "{{ ns.s | tojson }}",
        _NEST + "{{ [ns.s] | map('string') | tojson }}",
        "{{ [1, 2] | tojson(separators=('x' * 1000000, ':')) }}",
        "{{ range(99999999) | map('string') | tojson }}",
        _NEST + "{{ '' ~ ns.s }}",
        "{{ range(99) | join('x' * 9000000) }}",
        "{{ ('x' * 9000000).join(['a', 'b', 'c', 'd']) }}",
        "{% macro m(x) %}{{ x }}{{ x }}{% endmacro %}{{ m(m(m('x' * 9000000))) }}",
        "{% set x %}{% for i in range(9) %}{{ 'x' * 9000000 }}{% endfor %}{% endset %}{{ x }}",
        "{{ [1] | batch(1000000000, 'x') | list }}",
        "{{ ([['x'] * 1000000] * 1000) | sum(start=[]) }}",
        "{% set ns = namespace(n=3) %}{% for i in range(99) %}{% set ns.n = ns.n * ns.n %}{% endfor %}",
        "{{ 1 / 0 }}",
        "{{ messages[7].content }}",
        "{{ range(1000000000) | list }}",
    ],
)
def test_a_hostile_template_fails_fast(source: str) -> None:
    """Escapes, memory bombs and plain mistakes end as our error within the deadline; nothing huge is built."""
    with pytest.raises((BackendFault, ModelLoadError)):
        _render(source)


def test_what_a_template_cannot_render_is_the_requests() -> None:
    """Where it renders the plainest conversation: a tool's schema is not what it expects."""
    template = ChatTemplate("{% for tool in tools or [] %}{{ 'x' + tool.n }}{% endfor %}", {}, 100)
    with pytest.raises(InvalidRequest, match=r"cannot render.*TypeError") as refused:
        template.render({"messages": [], "tools": [{"n": 5}]})
    assert refused.value.param == "messages"


def test_an_endless_template_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that produces nothing is ended by the clock, and the thread goes on unharmed."""
    monkeypatch.setattr(template_module, "RENDER_DEADLINE_S", 0.2)
    endless = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    threads = threading.active_count()
    with pytest.raises(BackendFault, match="too long"):
        _render(endless)
    assert _render(_CHATML) is not None
    assert threading.active_count() <= threads + 1  # the one that renders, if it was the first to be needed


def test_output_beyond_the_bound_is_not_built() -> None:
    """A prompt that cannot fit the context is told apart without building it."""
    assert _render("{% for i in range(99999) %}{{ messages[0].content }}{% endfor %}", output_max=100) is None


@pytest.mark.parametrize("source", ["{{ unclosed", "{% nonsense %}", "x" * (SOURCE_MAX + 1), "{% if %}", "((" * 9999])
def test_a_template_that_is_none_is_a_load_error_or_text(source: str) -> None:
    """A broken template is refused when the model loads; plain text is a legal template."""
    if source.startswith("(("):
        assert _render(source, output_max=10**6) == source
        return
    with pytest.raises(ModelLoadError, match="chat template"):
        _render(source)
