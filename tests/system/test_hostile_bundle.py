"""Code that a coordinator ships does not run in a shop; Flower's own client would have run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from flwr.cli.build import build_fab_from_files

from highstreet.processes import free_port
from highstreet.protos.rounds_pb2 import REFUSAL_SIGNATURE, REFUSAL_UNAVAILABLE, RoundReply, SignedReply
from highstreet.server.superlink import ControlClient, flower_environment

if TYPE_CHECKING:
    from conftest import Coop, Shop

pytestmark = [pytest.mark.system]

BODY = b"\x0a\x07\x0a\x05\x0a\x03run"  # asks for a contribution, with a request that nobody signed
PYPROJECT = """
[project]
name = "hostile"
version = "1.0.0"
description = "x"
license = "Apache-2.0"
dependencies = []
[tool.flwr.app]
publisher = "stranger"
[tool.flwr.app.components]
serverapp = "hostile.server:app"
clientapp = "hostile.client:app"
[tool.flwr.app.config]
mark = "{mark}"
"""
# Both at import and in the app itself; the mark's path travels in code and in the run configuration.
CLIENT = """
from pathlib import Path
from flwr.app import Message
from flwr.clientapp import ClientApp
import os
(Path({mark!r}) / f"imported-{{os.getpid()}}").write_text("x")
app = ClientApp()
@app.query()
def query(message, context):
    (Path({mark!r}) / f"called-{{os.getpid()}}").write_text("x")
    return Message(message.content, reply_to=message)
@app.train()
def train(message, context):
    return query(message, context)
"""
SERVER = """
import json, time
from pathlib import Path
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import ServerApp
app = ServerApp()
@app.main()
def main(grid, context):
    mark = Path({mark!r})
    nodes = []
    while len(nodes) < {nodes}:
        nodes = list(grid.get_node_ids())
        time.sleep(0.2)
    answers = {{}}
    for kind in ("query", "train"):
        body = b"\\x0a\\x07\\x0a\\x05\\x0a\\x03run"
        content = lambda: RecordDict({{"highstreet": ConfigRecord({{"body": body}})}})
        messages = [Message(content(), dst_node_id=node, message_type=kind, ttl=300) for node in nodes]
        waiting = set(grid.push_messages(messages))
        end = time.time() + 60
        while waiting and time.time() < end:
            for message in grid.pull_messages(list(waiting)):
                waiting.discard(message.metadata.reply_to_message_id)
                if message.has_error():
                    answers.setdefault(kind, []).append(f"error {{message.error.code}}")
                else:
                    answers.setdefault(kind, []).append(message.content["highstreet"]["body"].hex())
            time.sleep(0.2)
    (mark / "answers.new").write_text(json.dumps(answers))
    (mark / "answers.new").rename(mark / "answers.json")
"""


def _bundle(mark: Path, *, nodes: int) -> bytes:
    return build_fab_from_files(
        {
            "pyproject.toml": PYPROJECT.format(mark=mark).encode(),
            "hostile/__init__.py": b"",
            "hostile/client.py": CLIENT.format(mark=str(mark)).encode(),
            "hostile/server.py": SERVER.format(mark=str(mark), nodes=nodes).encode(),
        }
    )[0]


@contextmanager
def _stock_node(coop: Coop, control: ControlClient, folder: Path) -> Iterator[None]:
    """Flower's own node with Flower's own client, as `flower-supernode` starts it by default."""
    key = ec.generate_private_key(ec.SECP256R1())
    (folder / "node.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    node = control.register_node(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    config = coop.home.config()
    command = [
        sys.executable,
        str(Path(sys.executable).parent / "flower-supernode"),
        *("--superlink", config.superlink_address),
        *("--root-certificates", str(coop.home.ca_certificate)),
        *("--auth-supernode-private-key", str(folder / "node.key")),
        *("--host", "127.0.0.1", "--port", str(free_port())),
    ]
    with (folder / "stock.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=flower_environment(folder), stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield
    finally:
        os.killpg(process.pid, 15)
        process.wait(timeout=30)
        control.unregister_node(node)


def _refusal(answer: str) -> int:
    reply = RoundReply.FromString(SignedReply.FromString(bytes.fromhex(answer)).reply)
    assert reply.WhichOneof("outcome") == "refusal"
    return reply.refusal


def test_a_hostile_bundle_runs_in_flowers_client_and_in_none_of_our_stores(
    coop: Coop, shops: list[Shop], tmp_path: Path
) -> None:
    expected = {"query": REFUSAL_SIGNATURE, "train": REFUSAL_UNAVAILABLE}
    before = [shop.rounds() for shop in shops]
    settings = coop.home.config().ports
    with (
        ControlClient(f"127.0.0.1:{settings.control}", coop.home.ca_certificate.read_bytes()) as control,
        _stock_node(coop, control, tmp_path),
    ):
        run = control.submit_run(_bundle(tmp_path, nodes=len(shops) + 1))
        coop.until((tmp_path / "answers.json").exists, 150)
        control.stop_run(run)
    # Flower's own client unpacked, imported and called it: one fresh process for each of the two messages.
    assert len(list(tmp_path.glob("imported-*"))) == 2
    assert len(list(tmp_path.glob("called-*"))) == 2
    # Our stores answered too, by refusing; nothing was unpacked on them and nothing spent.
    for shop in shops:
        assert not list((shop.home.run / "node").glob("flwr/apps/*"))
    assert [shop.rounds() for shop in shops] == before
    answers = json.loads((tmp_path / "answers.json").read_text())
    for kind in ("query", "train"):
        echoes = [answer for answer in answers[kind] if answer == BODY.hex()]
        refusals = [_refusal(answer) for answer in answers[kind] if answer not in echoes]
        assert len(echoes) == 1
        assert refusals == [expected[kind]] * len(shops)
