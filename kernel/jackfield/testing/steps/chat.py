"""Steps: questions and whole answers."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from pytest_bdd import then, when

from jackfield.testing.steps.words import Table, fields, words

if TYPE_CHECKING:
    from jackfield.testing.client import Reply
    from jackfield.testing.openai_shapes import TextCompletion
    from jackfield.testing.target import Target


@when(words("I ask {prompt:Text}"), target_fixture="reply")
@when(words("I ask {prompt:Text} with"), target_fixture="reply")
def ask(server: Target, prompt: str, datatable: Table = None) -> Reply:
    """One question; the table's rows join the request."""
    return server.run(server.client.ask(prompt, **fields(datatable)))


@when(words("I ask {prompt:Text} {times:d} times with"), target_fixture="replies")
def ask_again(server: Target, prompt: str, times: int, datatable: Table = None) -> list[Reply]:
    """The same question, one time after the other."""
    return [server.run(server.client.ask(prompt, **fields(datatable))) for _ in range(times)]


@when(words("I ask {prompt:Text} {times:d} times at once"), target_fixture="replies")
def ask_at_once(server: Target, prompt: str, times: int) -> list[Reply]:
    """The same question over as many connections."""
    return server.run(server.client.asks([prompt] * times))


@when(words("I ask {prompt:Text} among {others:d} other questions with"), target_fixture="reply")
def ask_in_a_crowd(server: Target, prompt: str, others: int, datatable: Table = None) -> Reply:
    """One question, while others are being answered; the table's rows join all of them."""
    prompts = [prompt, *(f"Question {number}: what can you do?" for number in range(others))]
    replies = server.run(server.client.asks(prompts, **fields(datatable)))
    assert all(reply.status == HTTPStatus.OK for reply in replies), [reply.summary for reply in replies]
    return replies[0]


@when("I remember the answer", target_fixture="earlier")
def remember(reply: Reply) -> Reply:
    """For a comparison with a later one."""
    assert reply.status == HTTPStatus.OK, reply.summary
    return reply


@when(words("I ask with a prompt of {count:d} words"), target_fixture="reply")
def ask_long(server: Target, count: int) -> Reply:
    """A question of any length."""
    return server.run(server.client.ask("word " * count))


@when(words("I continue {text:Text} with"), target_fixture="continuation")
def continue_text(server: Target, text: str, datatable: Table = None) -> TextCompletion:
    """Raw text, without a conversation."""
    return server.run(server.client.complete(text, **fields(datatable)))


@when("I list the models", target_fixture="models")
def list_models(server: Target) -> list[str]:
    """Their names."""
    return [model.id for model in server.run(server.client.models())]


@then("the model I ask is one of them")
def model_listed(server: Target, models: list[str]) -> None:
    """A client can find out what to ask."""
    assert server.client.model in models


@then(words("the continuation has {count:d} tokens of text"))
def continuation(continuation: TextCompletion, count: int) -> None:
    """Counted by the server."""
    assert continuation.choices[0].text
    assert continuation.usage.completion_tokens == count


@then("the answer is text")
def answer_is_text(reply: Reply) -> None:
    """Some answer, whatever the model."""
    assert reply.status == 200, reply.summary
    assert reply.text.strip()


@then(words("the answer is {text:Text}"))
def answer_is(reply: Reply, text: str) -> None:
    """This answer."""
    assert reply.status == 200, reply.summary
    assert reply.text == text


@then(words("the answer ended because of {reason:Text}"))
def answer_ended(reply: Reply, reason: str) -> None:
    """``stop`` or ``length``."""
    assert reply.finish_reason == reason


@then(words("the answer took {count:d} tokens"))
def answer_took(reply: Reply, count: int) -> None:
    """As its usage says."""
    assert reply.completion.usage.completion_tokens == count


@then("its usage adds up")
def usage_adds_up(reply: Reply) -> None:
    """Prompt and answer were counted."""
    usage = reply.completion.usage
    assert usage.prompt_tokens > 0
    assert usage.completion_tokens > 0
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


@then("all answers are the same")
def answers_same(replies: list[Reply]) -> None:
    """Letter for letter."""
    assert len(replies) > 1
    assert len({reply.text for reply in replies}) == 1


@then("the answer is the one I remember")
def answer_as_before(reply: Reply, earlier: Reply) -> None:
    """Letter for letter."""
    assert reply.text == earlier.text


@then("the answer is another one than I remember")
def answer_other(reply: Reply, earlier: Reply) -> None:
    """Both are answers."""
    assert reply.status == HTTPStatus.OK, reply.summary
    assert reply.text != earlier.text


@then(words("there are {count:d} answers"))
def several_answers(reply: Reply, count: int) -> None:
    """Each with its number, its text and why it ended."""
    assert reply.status == HTTPStatus.OK, reply.summary
    choices = reply.completion.choices
    assert [choice.index for choice in choices] == list(range(count))
    assert all(choice.message.content for choice in choices)


@then("they are not all the same")
def answers_differ(reply: Reply) -> None:
    """Each was drawn by itself."""
    assert len({choice.message.content for choice in reply.completion.choices}) > 1


@then(words("each token of the answer says how likely it was, with {count:d} others"))
def tokens_scored(reply: Reply, count: int) -> None:
    """Probabilities, and tokens that make up the answer's text."""
    assert reply.status == HTTPStatus.OK, reply.summary
    choice = reply.completion.choices[0]
    assert choice.logprobs is not None
    tokens = choice.logprobs.content
    assert tokens
    assert all(token.logprob <= 0 for token in tokens)
    assert [len(token.top_logprobs) for token in tokens] == [count] * len(tokens)
    spelt = bytes(byte for token in tokens for byte in token.bytes or ())
    assert (choice.message.content or "") in spelt.decode(errors="replace")


@then(words("all are answered with {text:Text}"))
def all_answered(replies: list[Reply], text: str) -> None:
    """Every one of them."""
    assert [reply.text for reply in replies] == [text] * len(replies)


@then(words("{count:d} are answered"))
def some_answered(replies: list[Reply], count: int) -> None:
    """That many, whichever."""
    assert [reply.status for reply in replies].count(200) == count, [reply.summary for reply in replies]
