"""Names of models: own ones, and aliases that several may share."""

from __future__ import annotations

import pytest

from jackfield.manifest import ModelConfig
from jackfield.model_names import NameTaken, named


def model(*aliases: str, tags: tuple[str, ...] = ()) -> ModelConfig:
    """One that is called so, too."""
    return ModelConfig(source="x.gguf", aliases=aliases, tags=tags)


def test_each_model_has_its_names() -> None:
    """Its own, and its aliases; naming itself is no harm."""
    assert named({"a": model("x", "y", "a"), "b": model()}) == {"a": ["a"], "x": ["a"], "y": ["a"], "b": ["b"]}


def test_models_with_different_tags_share_an_alias() -> None:
    """In the order of the manifest."""
    models = {
        "b": model("chat", tags=("eu",)),
        "a": model("chat", tags=("us",)),
        "c": model("chat", tags=("eu", "large")),
    }
    assert named(models)["chat"] == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("models", "key"),
    [
        pytest.param({"a": model("x"), "b": model("x")}, "models.b.aliases", id="without tags"),
        pytest.param({"a": model("x", tags=("eu",)), "b": model("x")}, "models.b.aliases", id="one without tags"),
        pytest.param({"a": model("x"), "b": model("x", tags=("eu",))}, "models.b.aliases", id="the other without"),
        pytest.param(
            {"a": model("x", tags=("eu", "big")), "b": model("x", tags=("big", "eu"))},
            "models.b.aliases",
            id="the same",
        ),
        pytest.param(
            {"a": model("x", tags=("1",)), "b": model("x", tags=("2",)), "c": model("x", tags=("1",))},
            "models.c.aliases",
            id="the same as the first",
        ),
        pytest.param({"a": model(tags=("eu",)), "b": model("a", tags=("us",))}, "models.b.aliases", id="an own name"),
        pytest.param({"a": model("b", tags=("eu",)), "b": model(tags=("us",))}, "models.b", id="an alias before"),
    ],
)
def test_a_name_means_one_thing(models: dict[str, ModelConfig], key: str) -> None:
    """Whoever cannot be told apart by tags cannot share a name."""
    with pytest.raises(NameTaken) as taken:
        named(models)
    assert taken.value.key == key


@pytest.mark.parametrize("tag", ["", "EU", "a b", "é", "x" * 65, "-eu", "eu\n"])
def test_tags_are_words(tag: str) -> None:
    """What an obligation can name."""
    with pytest.raises(ValueError, match="is not a tag"):
        model(tags=(tag,))
