"""All stages of policies for the server in which secrets are planted, with a secret in each place that has one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from jackfield.testing.oidc_issuer import IssuerProcess, Setting
from jackfield.testing.steps.guardrail_rules import Elsewhere

if TYPE_CHECKING:
    from pathlib import Path

    from jackfield.testing.background import BackgroundLoop

AUDIT_KEY: Final = "heliotrope-of-the-audit-record-0123456789"
STORE_KEY: Final = "heliotrope-of-the-policy-store-0123456789"
WEBHOOK_KEY: Final = "heliotrope-of-the-webhook-0123456789"
COLLECTOR_TOKEN: Final = "heliotrope-of-the-collector-0123456789"
ISSUER_BEARER: Final = "heliotrope-of-the-issuer-0123456789"
EMAIL: Final = "heliotrope.whispers@example.com"
"""What guardrails mask: the caller gets it back, and nobody else sees it."""

WORD: Final = "begonia"
"""What the webhook blocks."""

PLUGINS: Final = (
    "tenants=keys",
    "rbac",
    "oidc",
    "cedar",
    "opa",
    "guardrails",
    "limits",
    "audit",
    "store",
    "secrets",
)

STORE_VARIABLE: Final = "HELIOTROPE_STORE"

CEDAR: Final = """
@id("everybody") permit (principal, action, resource);
@id("nobody-denied") @reason("it is on no list") forbid (principal, action, resource)
when { principal.name == "denied" };
"""

REGO: Final = """package jackfield

import rego.v1

default allow := false

allow if input.principal.id != ""

decision := {"allow": allow, "reasons": ["somebody must ask"]}
"""

RULES: Final = """
[config.keys]
storage = "file"
[config.tenants]
storage = "store"
[config.store]
key = "env:{variable}"
[config.audit]
key = "file:audit.key"
otlp = {{ endpoint = "http://127.0.0.1:9/v1/logs", token = "file:collector.token", private = true }}
[config.cedar]
policies = "cedar"
[config.opa]
policies = "rego"
processes = 1
[config.rbac.roles.reader]
scopes = ["models:read"]
[config.limits]
snapshot_s = 0.1
[[config.limits.rules]]
name = "keys"
per = ["key"]
requests = {{ minute = 100000 }}
tokens = {{ day = 100000000 }}
[[config.limits.rules]]
name = "few"
keys = ["few"]
per = ["key"]
requests = {{ month = 1 }}
[config.guardrails.rules.personal]
kind = "pii"
[config.guardrails.rules.elsewhere]
kind = "webhook"
keys = ["hooked"]
url = {webhook}
secret = "systemd:webhook"
outbound = {{ schemes = ["http"], private_hosts = ["127.0.0.1"], timeout_s = 20.0 }}
[config.oidc.issuers.corp]
url = {issuer}
audiences = ["jackfield"]
bearer_file = "bearer.token"
outbound = {{ schemes = ["http"], private_hosts = ["127.0.0.1"] }}
"""


class Surroundings:
    """What policies need besides the server: files, an issuer, a service that judges.

    Parameters:
        folder: The server's.
        loop: Runs the service.
    """

    def __init__(self, folder: Path, loop: BackgroundLoop) -> None:
        self.issuer = IssuerProcess(Setting(bearer=ISSUER_BEARER))
        self.webhook = Elsewhere(loop)
        self.webhook.start(WORD)
        private = {"audit.key": AUDIT_KEY, "collector.token": COLLECTOR_TOKEN, "credentials/webhook": WEBHOOK_KEY}
        public = {"bearer.token": ISSUER_BEARER, "cedar/main.cedar": CEDAR, "rego/main.rego": REGO}
        for name, text in (private | public).items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(text)
        self.environment = {STORE_VARIABLE: STORE_KEY, "CREDENTIALS_DIRECTORY": str(folder / "credentials")}
        self.tables = RULES.format(
            variable=STORE_VARIABLE, webhook=json.dumps(self.webhook.url), issuer=json.dumps(self.issuer.url)
        )
        self.tokens = {
            "good": self.issuer.sign({"sub": "alice"}),
            "expired": self.issuer.sign({"sub": "alice", "exp": 1_700_000_000}),
            "for others": self.issuer.sign({"sub": "alice", "aud": "somebody"}),
        }
        self.tokens["forged"] = self.tokens["good"][:-20] + self.tokens["expired"][-20:]

    @property
    def secrets(self) -> list[str]:
        """All that must not be seen."""
        keys = [AUDIT_KEY, STORE_KEY, WEBHOOK_KEY, COLLECTOR_TOKEN, ISSUER_BEARER, EMAIL]
        # of a token, its signature: what makes it one
        return [*keys, *(token.rpartition(".")[2][-64:] for token in self.tokens.values())]

    def close(self) -> None:
        """End what is beside the server."""
        self.issuer.close()
        self.webhook.close()
