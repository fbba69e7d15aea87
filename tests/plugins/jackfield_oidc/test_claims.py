"""What claims make of a caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jackfield.errors import Unauthenticated
from jackfield.ports.identity import USUAL_SCOPES

if TYPE_CHECKING:
    from tests.plugins.jackfield_oidc.conftest import Issuer, Judges

MAPPED: dict[str, Any] = {
    "claims": {
        "name": "preferred_username",
        "owner": "email",
        "team": ["org", "team"],
        "tenant": ["org", "id"],
        "roles": ["realm_access", "roles"],
        "scopes": "scope",
        "tags": "https://issuer.example/tags",
    },
    "scopes": ["models:read"],
    "roles": ["staff"],
}


def test_every_part_of_a_caller_can_come_from_a_claim(judges: Judges, issuer: Issuer) -> None:
    """Nested ones too, and ones with dots and slashes in their names."""
    claims = {
        "preferred_username": "Älice",
        "email": "alice@issuer.example",
        "org": {"team": "red", "id": "acme"},
        "realm_access": {"roles": ["dev", "ops"]},
        "scope": "openid jackfield:generate jackfield:keys:read admin jackfield:NO! jackfield:",
        "https://issuer.example/tags": ["a", "b"],
    }
    found = judges.somebody(judges.make(MAPPED), issuer.sign_claims(claims))
    assert (found.id, found.name, found.owner) == ("corp:alice", "Älice", "alice@issuer.example")
    assert (found.team, found.tenant_name) == ("red", "acme")
    assert found.roles == {"staff", "dev", "ops"}
    assert found.scopes == {"models:read", "generate", "keys:read"}
    assert found.tags == {"a", "b"}


def test_what_is_not_claimed_is_not_there(judges: Judges, issuer: Issuer) -> None:
    found = judges.somebody(judges.make(MAPPED), issuer.sign(org="acme", realm_access=None))
    assert (found.name, found.owner, found.team, found.tenant_name) == ("alice", "", "", "")
    assert found.roles == {"staff"}
    assert found.tags == set()
    assert found.scopes == {"models:read"}


def test_nothing_is_taken_over_that_is_not_mapped(judges: Judges, issuer: Issuer) -> None:
    """A token that calls its bearer an administrator does not make one."""
    token = issuer.sign(roles=["admin"], scope="jackfield:admin *", groups=["admin"], team="red", tenant="acme")
    found = judges.somebody(judges.make(), token)
    assert (found.roles, found.scopes, found.team) == (frozenset(), frozenset(USUAL_SCOPES), "")


def test_roles_can_be_given_other_names(judges: Judges, issuer: Issuer) -> None:
    """Others bring nothing then."""
    options = {"claims": {"roles": "groups"}, "role_names": {"Jackfield Admins": "admin"}}
    found = judges.somebody(judges.make(options), issuer.sign(groups=["Jackfield Admins", "admin", "Everybody"]))
    assert found.roles == {"admin"}


@pytest.mark.parametrize(("options", "models"), [({}, None), ({"models": []}, frozenset()), ({"models": ["a"]}, {"a"})])
def test_which_models_tokens_bring(
    judges: Judges, issuer: Issuer, options: dict[str, Any], models: frozenset[str] | None
) -> None:
    """All, unless the operator says which; a token has no say in it."""
    assert judges.somebody(judges.make(options), issuer.sign(models=["b"])).models == models


STRANGE: list[Any] = [1, True, {"a": 1}, "a\nb", "\u202eabc", "x" * 257, "\ud800"]


@pytest.mark.parametrize("value", [*STRANGE, ["a"], []])
def test_mapped_claims_are_texts(judges: Judges, issuer: Issuer, value: Any) -> None:
    """What else they might be would reach logs, limits and policies."""
    judge = judges.make(MAPPED)
    for claims in ({"email": value}, {"org": {"team": value}}):
        with pytest.raises(Unauthenticated, match="not what it should be"):
            judges.ask(judge, issuer.sign_claims(claims))


@pytest.mark.parametrize("value", [*STRANGE, *([each] for each in STRANGE), [["a"]]])
def test_mapped_lists_are_lists_of_texts(judges: Judges, issuer: Issuer, value: Any) -> None:
    with pytest.raises(Unauthenticated, match=r"realm_access\.roles is not what it should be"):
        judges.ask(judges.make(MAPPED), issuer.sign(realm_access={"roles": value}))


def test_callers_of_two_issuers_are_two(judges: Judges, issuer: Issuer) -> None:
    """Also where both call them alice."""
    table = {"audiences": ["jackfield"], "jwks_file": "jwks.json"}
    other = {"url": "https://other.example", **table}
    judge = judges.make(issuers={"corp": {"url": "https://issuer.example", **table}, "partners": other})
    assert judges.somebody(judge, issuer.sign()).id == "corp:alice"
    assert judges.somebody(judge, issuer.sign(iss="https://other.example")).id == "partners:alice"


def test_a_service_account_of_kubernetes(judges: Judges, issuer: Issuer) -> None:
    """Its claims stand in one whose name has a dot."""
    options = {
        "url": "https://kubernetes.default.svc",
        "claims": {
            "name": ["kubernetes.io", "serviceaccount", "name"],
            "team": ["kubernetes.io", "namespace"],
            "tags": ["kubernetes.io", "pod", "name"],
        },
    }
    claims = {
        "iss": "https://kubernetes.default.svc",
        "aud": ["https://kubernetes.default.svc", "jackfield"],
        "sub": "system:serviceaccount:ml:trainer",
        "jti": "0d9d1bc1",
        "kubernetes.io": {
            "namespace": "ml",
            "pod": {"name": "trainer-0", "uid": "1"},
            "serviceaccount": {"name": "trainer", "uid": "2"},
        },
    }
    found = judges.somebody(judges.make(options), issuer.sign_claims(claims, {"typ": None}))
    assert found.id == "corp:system:serviceaccount:ml:trainer"
    assert (found.name, found.team) == ("trainer", "ml")
    assert found.tags == {"trainer-0"}
