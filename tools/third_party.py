"""Serve one request with the plugins of ``tests/thirdparty/jackfield-sample``: ``third_party.py JACKFIELD``.

JACKFIELD is the command of an environment in which the distribution is installed. Runs outside the repository.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

TOKEN: Final = "a-token-of-bob"  # noqa: S105 - made up
DIGEST: Final = hashlib.sha256(TOKEN.encode()).hexdigest()
MANIFEST: Final = f"""
enabled = ["openai", "ngram", "static-tokens"]
[kernel]
listen = "127.0.0.1:0"
health = "127.0.0.1:0"
[config.static-tokens]
digests = {{ bob = "{DIGEST}" }}
[models.sayings]
backend = "ngram"
source = "sayings.txt"
"""
BODY: Final = json.dumps(
    {"model": "sayings", "temperature": 0, "messages": [{"role": "user", "content": "Rome was not "}]}
).encode()


def main(command: str) -> int:
    """Print what was served; exit status 1 if it was not what it should be."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "plugins.toml").write_text(MANIFEST)
        Path(folder, "sayings.txt").write_text("Rome was not built in a day.\nAll roads lead to Rome.\n")
        server = subprocess.Popen([command, "serve", "--json"], cwd=folder, stdout=subprocess.PIPE, text=True)
        try:
            url = address(server)
            answers = [ask(url, token) for token in (None, "wrong", TOKEN)]
        finally:
            server.terminate()
            server.wait(30)
    print(*answers, sep="\n")
    return 0 if answers == [(401, ""), (401, ""), (200, "built in a day.")] else 1


def address(server: subprocess.Popen[str]) -> str:
    """Where the API is, once gateway and model are ready."""
    url, waiting = "", {"gateway", "worker"}
    for line in server.stdout or ():
        event = json.loads(line)
        url = event["api"][0] if event["event"] == "listening" else url
        if event["event"] == "gateway" or event.get("state") == "ready":
            waiting.discard(event["event"])
        if not waiting:
            return url
    raise SystemExit("the server ended before it was ready")


def ask(url: str, token: str | None) -> tuple[int, str]:
    """Status and text of one answer."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/chat/completions", BODY, headers)  # noqa: S310 - our own server
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - as above
            return response.status, json.loads(response.read())["choices"][0]["message"]["content"]
    except urllib.error.HTTPError as error:
        return error.code, ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
