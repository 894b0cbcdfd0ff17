"""Answers of an older version come over with leaves of their own, or refuse the whole log."""

from __future__ import annotations

from pathlib import Path

import pytest

from highstreet.audit.consent import Act, Channel, ConsentState, Method, Purpose
from highstreet.audit.errors import InconsistentConsentLogError
from highstreet.client.consent import ConsentDesk
from highstreet.client.vault import Vault
from tests.client.rewound_shop import COOP, SAID

#: What versions after the third made.
_LATER_TABLES = (
    "rights_requests",
    "pseudonyms",
    "customer_attributes",
    "exclusions",
    "notices",
    "consent_anchor",
    "consents",
)


def test_older_answers_are_carried_over_with_leaves_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "vault.db"
    with Vault.open(path) as vault:
        for table in _LATER_TABLES:
            vault.connection.execute(f"DROP TABLE {table}")
        vault.connection.execute(
            "CREATE TABLE consents (position INTEGER PRIMARY KEY, customer INTEGER NOT NULL, purpose TEXT,"
            " answer TEXT, recorded_at INTEGER, source TEXT)"
        )
        vault.connection.execute("INSERT INTO customers (customer_id) VALUES ('ann'), ('ben')")
        vault.connection.execute(
            "INSERT INTO consents VALUES (1, 1, 'coop_learning', 'grant', 5, 'form'),"
            " (2, 1, 'matching', 'withdrawal', 6, 'form'), (3, 2, 'coop_learning', 'grant', 7, 'till')"
        )
        vault.connection.execute("PRAGMA user_version = 3")
    with Vault.open(path) as vault:
        desk = ConsentDesk(vault)
        assert desk.cohort(COOP).customers == (1, 2)
        assert desk.state(1, Purpose.MATCHING) is ConsentState.WITHDRAWN
        first, second = desk.history(1)
        assert first.event is not None
        assert second.event is not None
        assert (first.event.act, first.event.method, first.event.source) == (Act.GIVEN, Method.IMPORT, "form")
        assert (second.event.at, second.event.channel) == (6, Channel.EVERYWHERE)
        assert first.event.notice is None
        assert first.salt is not None
        assert len({first.salt, second.salt, first.event.event_id, second.event.event_id}) == 4
        desk.record("ann", COOP, Act.WITHDRAWN, SAID)
        assert desk.cohort(COOP).customers == (2,)


def test_an_older_answer_of_no_meaning_still_refuses_the_whole_log(tmp_path: Path) -> None:
    path = tmp_path / "vault.db"
    with Vault.open(path) as vault:
        for table in _LATER_TABLES:
            vault.connection.execute(f"DROP TABLE {table}")
        vault.connection.execute(
            "CREATE TABLE consents (position INTEGER PRIMARY KEY, customer INTEGER NOT NULL, purpose TEXT,"
            " answer TEXT, recorded_at INTEGER, source TEXT)"
        )
        vault.connection.execute("INSERT INTO customers (customer_id) VALUES ('ann')")
        vault.connection.execute("INSERT INTO consents VALUES (1, 1, 'coop_learning', 'perhaps', 5, '')")
        vault.connection.execute("PRAGMA user_version = 3")
    with Vault.open(path) as vault, pytest.raises(InconsistentConsentLogError, match="entry 1"):
        ConsentDesk(vault).root()
