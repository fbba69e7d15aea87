"""How tokens are drawn, under the names that clients use."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.errors import ClientError, InvalidRequest
from jackfield.frontends.arrays import typed
from jackfield.frontends.sampling import SamplingBody, read_bias, read_sampling
from jackfield.sampling import BIASES_MAX, LogitBias, SamplingParams

BODY = msgspec.json.Decoder(SamplingBody)


def sampling(**fields: object) -> SamplingParams:
    """The parameters that a body with *fields* asks for."""
    return read_sampling(typed(BODY, msgspec.json.encode(fields)))


def bias(value: object) -> tuple[LogitBias, ...]:
    """The biases that a JSON value asks for."""
    return read_bias(msgspec.Raw(msgspec.json.encode(value)))


EACH: dict[str, object] = {
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 40,
    "min_p": 0.05,
    "typical_p": 0.9,
    "top_n_sigma": 1.5,
    "xtc_probability": 0.5,
    "xtc_threshold": 0.2,
    "dynatemp_range": 0.5,
    "dynatemp_exponent": 1.5,
    "mirostat": 2,
    "mirostat_tau": 4.0,
    "mirostat_eta": 0.2,
    "repeat_penalty": 1.1,
    "repeat_last_n": 128,
    "presence_penalty": 0.5,
    "frequency_penalty": -0.5,
    "dry_multiplier": 0.8,
    "dry_base": 2.0,
    "dry_allowed_length": 3,
    "dry_penalty_last_n": 256,
    "dry_sequence_breakers": ["\n", "x"],
    "seed": 7,
}


def test_every_field_arrives() -> None:
    """Under its own name; none is forgotten but that of llama-server's routes for gaps."""
    asked = msgspec.convert(EACH, SamplingParams)
    assert {*EACH} == {*SamplingParams.__struct_fields__} - {"infill"}
    assert all(getattr(asked, name) != getattr(SamplingParams(), name) for name in EACH)
    assert sampling(**EACH) == asked


@pytest.mark.parametrize("name", [*EACH, "repetition_penalty"])
def test_null_is_absent(name: str) -> None:
    """As everywhere."""
    assert sampling(**{name: None}) == SamplingParams()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 2.01),
        ("temperature", -0.01),
        ("top_p", 1.01),
        ("top_k", -2),
        ("min_p", 1.5),
        ("typical_p", -1),
        ("top_n_sigma", -2),
        ("top_n_sigma", 101),
        ("xtc_probability", 1.1),
        ("xtc_threshold", -0.1),
        ("dynatemp_range", 2.1),
        ("dynatemp_exponent", -1),
        ("mirostat", 3),
        ("mirostat", 1.5),
        ("mirostat", True),
        ("mirostat_tau", -1),
        ("mirostat_eta", 1.1),
        ("repeat_penalty", 0),
        ("repetition_penalty", 0),
        ("repetition_penalty", 101),
        ("repeat_last_n", -2),
        ("repeat_last_n", 1.5),
        ("presence_penalty", 2.1),
        ("frequency_penalty", -2.1),
        ("dry_multiplier", -1),
        ("dry_base", 0.5),
        ("dry_allowed_length", -1),
        ("dry_penalty_last_n", 2**31),
        ("dry_sequence_breakers", "x"),
        ("dry_sequence_breakers", [""]),
        ("dry_sequence_breakers", ["x" * 41]),
        ("dry_sequence_breakers", ["x"] * 17),
        ("seed", 2**63),
        *((name, [1]) for name in EACH if name != "dry_sequence_breakers"),
        *((name, "1") for name in EACH if name != "dry_sequence_breakers"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(name: str, value: object) -> None:
    """No value is clamped in silence."""
    with pytest.raises(InvalidRequest) as refused:
        sampling(**{name: value})
    assert refused.value.param == name


def test_a_wrong_element_is_refused_by_its_index() -> None:
    """Inside of arrays too."""
    with pytest.raises(InvalidRequest) as refused:
        sampling(dry_sequence_breakers=["x", 1])
    assert refused.value.param == "dry_sequence_breakers[1]"


@pytest.mark.parametrize(
    ("fields", "penalty", "last_n"),
    [
        ({"repetition_penalty": 1.2}, 1.2, -1),
        ({"repetition_penalty": 1.2, "repeat_last_n": 32}, 1.2, 32),
        ({"repetition_penalty": 1.2, "repeat_penalty": 1.2}, 1.2, -1),
        ({"repeat_penalty": 1.2}, 1.2, 64),
    ],
)
def test_vllms_penalty_looks_at_everything(fields: dict[str, object], penalty: float, last_n: int) -> None:
    """Each name means what it means where it comes from."""
    params = sampling(**fields)
    assert (params.repeat_penalty, params.repeat_last_n) == (penalty, last_n)


def test_two_names_must_not_contradict_each_other() -> None:
    """Which of the two holds would be anybody's guess."""
    with pytest.raises(InvalidRequest) as refused:
        sampling(repeat_penalty=1.1, repetition_penalty=1.2)
    assert refused.value.param == "repetition_penalty"


@pytest.mark.parametrize(("seed", "drawn"), [(-1, None), (2**32 - 1, None), (-2, 2**32 - 3), (7, 7), (2**32 + 6, 7)])
def test_a_seed_that_the_server_draws(seed: int, drawn: int | None) -> None:
    """llama-server's two words for it; every other seed is one."""
    assert sampling(seed=seed).seed == drawn


def keyed(token: int | str, bias: float) -> LogitBias:
    """A bias out of an object."""
    return LogitBias(token, bias, f"logit_bias.{token}")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ()),
        ({"50256": -100}, (keyed(50256, -100.0),)),
        ({"0": 1, "hello": 2.5}, (keyed(0, 1.0), keyed("hello", 2.5))),
        ({" 5": 1}, (keyed(" 5", 1.0),)),
        ({"٣": 1}, (keyed("٣", 1.0),)),
        ({"5": False}, (keyed(5, -math.inf),)),
        ([[5, 1]], (LogitBias(5, 1.0, "logit_bias[0][0]"),)),
        ([["5", 1], [5, -1]], (LogitBias("5", 1.0, "logit_bias[0][0]"), LogitBias(5, -1.0, "logit_bias[1][0]"))),
        ([["no", False]], (LogitBias("no", -math.inf, "logit_bias[0][0]"),)),
        ([['[["', 1]], (LogitBias('[["', 1.0, "logit_bias[0][0]"),)),
        ({str(token): -100 for token in range(BIASES_MAX)}, tuple(keyed(n, -100.0) for n in range(BIASES_MAX))),
        (
            [[f"a{n}", 1] for n in range(BIASES_MAX)],
            tuple(LogitBias(f"a{n}", 1.0, f"logit_bias[{n}][0]") for n in range(BIASES_MAX)),
        ),
    ],
)
def test_biases(value: object, expected: tuple[LogitBias, ...]) -> None:
    """OpenAI's object, with llama-server's texts, pairs and bans."""
    assert (bias(value) if value is not None else read_bias(None)) == expected


@pytest.mark.parametrize(
    ("value", "param"),
    [
        (1, "logit_bias"),
        ("x", "logit_bias"),
        (True, "logit_bias"),
        ({"1": "x"}, "logit_bias.1"),
        ({"1": None}, "logit_bias.1"),
        ({"1": True}, "logit_bias.1"),
        ({"1": [1]}, "logit_bias.1"),
        ({"1": 100.1}, "logit_bias.1"),
        ({"1": -101}, "logit_bias.1"),
        ({"hello": 200}, "logit_bias.hello"),
        ({"-1": 1}, "logit_bias.-1"),
        ({str(2**31): 1}, f"logit_bias.{2**31}"),
        ({"9" * 200: 1}, f"logit_bias.{'9' * 64}…"),
        ({"": 1}, "logit_bias."),
        ({"x" * 257: 1}, f"logit_bias.{'x' * 64}…"),
        ({"5": 1, "05": 2}, "logit_bias"),
        ({"5": 1, "+5": 2}, "logit_bias"),
        ([[5, 1], [5, 2]], "logit_bias"),
        ([["a", 1], ["a", 1]], "logit_bias"),
        ([5, 1], "logit_bias[0]"),
        ([{"5": 1}], "logit_bias[0]"),
        ([[5]], "logit_bias[0]"),
        ([[5, 1, 1]], "logit_bias[0]"),
        ([[5.5, 1]], "logit_bias[0][0]"),
        ([[True, 1]], "logit_bias[0][0]"),
        ([[-1, 1]], "logit_bias[0][0]"),
        ([[1, 1], ["", 1]], "logit_bias[1][0]"),
        ([["x" * 257, 1]], "logit_bias[0][0]"),
        ([[5, True]], "logit_bias[0][1]"),
        ([[5, "x"]], "logit_bias[0][1]"),
        ([[5, 101]], "logit_bias[0][1]"),
        ({str(token): 1 for token in range(BIASES_MAX + 1)}, "logit_bias"),
        ([[token, 1] for token in range(BIASES_MAX + 1)], "logit_bias"),
        ([[f"a{n}", 1] for n in range(BIASES_MAX + 1)], "logit_bias"),
    ],
)
def test_malformed_biases_are_refused_by_path(value: object, param: str) -> None:
    """Anything else, with its key or index."""
    with pytest.raises(InvalidRequest) as refused:
        bias(value)
    assert refused.value.param == param


@pytest.mark.parametrize("raw", [b'{"1": 1e999}', b"[[1, 1e999]]", b'{"1": 1, "1": 2}'])
def test_what_only_json_text_can_say_is_refused_too(raw: bytes) -> None:
    """Numbers beyond all floats, and a key that is given twice."""
    with pytest.raises(ClientError):
        read_bias(msgspec.Raw(raw))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("0123456789-+ ax", max_size=4), inner),
    max_leaves=8,
)


@given(value=json_values)
def test_any_value_is_biases_or_the_clients_fault(value: object) -> None:
    """Nothing else comes out."""
    try:
        found = bias(value)
    except InvalidRequest as error:
        assert error.param is not None  # noqa: PT017 -- most examples are no error
        assert error.param.startswith("logit_bias")  # noqa: PT017
    else:
        assert len({each.token for each in found}) == len(found)


def test_documented_ranges_are_those_that_are_checked() -> None:
    """Both ends are taken, what is beyond them is not."""
    properties = msgspec.json.schema(SamplingBody)["$defs"]["SamplingBody"]["properties"]
    ranges = {name: each["anyOf"][0] for name, each in properties.items() if "minimum" in each["anyOf"][0]}
    assert len(ranges) > 15
    for name, described in ranges.items():
        least, most = described["minimum"], described["maximum"]
        step = 1 if described["type"] == "integer" else 0.001
        for value in (least, most):
            sampling(**{name: value})
        for value in (least - step, most + step):
            with pytest.raises(InvalidRequest, match=name):
                sampling(**{name: value})
