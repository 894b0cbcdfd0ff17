"""A consent log put back, rewritten or damaged is noticed, and nobody is used until the owner says so."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from highstreet.audit.consent import Act, Channel, ConsentState, Method, Purpose, read_event
from highstreet.audit.consent_leaf import consent_leaf
from highstreet.audit.consent_tree import consent_root
from highstreet.audit.errors import ConsentLogRewoundError, InconsistentConsentLogError
from highstreet.client import consent_log
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.consent_anchor import ConsentAnchor
from highstreet.client.consent_restoration import accept_restored_log, is_rewound
from highstreet.client.consented_cohort import ConsentedCohort, Exclusion, ShopTotals
from highstreet.client.errors import ForgedCohortError
from highstreet.client.home import StoreHome
from highstreet.client.importing.importer import Importer
from highstreet.client.matching_inputs import MATCHING_PURPOSES
from highstreet.client.person_counts import PersonCounts
from highstreet.client.restoration import restore_store
from highstreet.client.shop_loader import load_shop
from highstreet.client.shop_totals import best_sellers
from highstreet.client.vault import Vault
from highstreet.models.schema import FeatureSchema
from highstreet.privacy.matching import Counts
from tests.client.conftest import CUSTOMERS, NOW, PRODUCTS

COOP = Purpose.COOP_LEARNING
SAID = How(method=Method.SPOKEN, source="till")
SECONDS = 1_000_000
ALSO = "cat,yes,yes,yes,form,2025-01-02T10:00:00Z"


class Shop:
    """A store whose files can be copied and put back, and whose desk has a clock to turn."""

    def __init__(self, folder: Path) -> None:
        self.home = StoreHome(folder / "store")
        self.now = int(NOW.timestamp()) * SECONDS
        self.folder = folder
        self.imported("first", "customers.csv", CUSTOMERS)

    @property
    def head(self) -> Path:
        return self.home.root / "consent.head"

    def imported(self, name: str, file: str, text: str) -> None:
        (self.folder / name).mkdir()
        (self.folder / name / file).write_text(text)
        with Vault.open(self.home.vault) as vault:
            list(Importer(vault, now=datetime.now(UTC)).run([self.folder / name]))

    def desk(self, vault: Vault) -> ConsentDesk:
        return ConsentDesk(vault, clock=lambda: self.now)

    def said(self, who: str, act: Act, purpose: Purpose = COOP) -> None:
        with Vault.open(self.home.vault) as vault:
            self.desk(vault).record(who, purpose, act, SAID)

    def state(self, who: str, purpose: Purpose = COOP) -> ConsentState:
        with Vault.open(self.home.vault) as vault:
            return self.desk(vault).state(vault.customer_key(who), purpose)

    def copied(self) -> Path:
        copy = self.folder / f"copy-{len(list(self.folder.iterdir()))}.db"
        shutil.copy(self.home.vault, copy)
        return copy

    def put_back(self, copy: Path) -> None:
        for ending in ("-wal", "-shm"):
            self.home.vault.with_name(self.home.vault.name + ending).unlink(missing_ok=True)
        shutil.copy(copy, self.home.vault)

    def by_hand(self, *statements: str) -> None:
        """What somebody does who has the file and no scruples."""
        with Vault.open(self.home.vault) as vault, vault.write() as connection:
            connection.execute("DROP TRIGGER IF EXISTS consents_are_not_changed")
            connection.execute("DROP TRIGGER IF EXISTS consents_are_not_removed")
            for statement in statements:
                connection.execute(statement)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.fixture
def begin_anew() -> Callable[[], None]:
    """Do as another process does: it knows nothing of what this one read."""
    return consent_log._FOLDS.clear


@pytest.fixture(autouse=True)
def _forget_folds() -> Iterator[None]:
    yield
    consent_log._FOLDS.clear()


def _uses(
    shop: Shop, vault: Vault, cohort: ConsentedCohort, totals: ShopTotals
) -> list[Callable[[], object]]:
    desk = shop.desk(vault)
    ann = vault.customer_key("ann")
    return [
        *(lambda purpose=purpose: desk.cohort(purpose) for purpose in Purpose),  # type: ignore[misc]
        desk.totals,
        desk.root,
        desk.position,
        desk.counts,
        desk.note_expired,
        lambda: desk.state(ann, COOP),
        lambda: desk.history(ann),
        lambda: desk.withdrawn(COOP, since=0),
        lambda: desk.record("ann", COOP, Act.GIVEN, SAID),
        lambda: desk.record("ann", COOP, Act.WITHDRAWN, SAID),
        lambda: load_shop(vault, cohort, FeatureSchema(), NOW.date()),
        lambda: best_sellers(vault, totals, since_day=0),
    ]


def _is_refused_everywhere(shop: Shop, error: type[Exception] = ConsentLogRewoundError) -> None:
    with Vault.open(shop.home.vault) as vault:
        kept = shop.head.read_bytes() if shop.head.exists() else None
        # Made from an order log that was in order; here only to have something to refuse.
        cohort, totals = object.__new__(ConsentedCohort), object.__new__(ShopTotals)
        for use in _uses(shop, vault, cohort, totals)[:-2]:
            with pytest.raises(error):
                use()
        assert (shop.head.read_bytes() if shop.head.exists() else None) == kept  # and nothing settles it


def test_an_old_vault_put_back_is_refused_for_every_purpose_also_by_a_cohort_made_before(
    shop: Shop, begin_anew: Callable[[], None]
) -> None:
    copy = shop.copied()
    shop.said("ann", Act.WITHDRAWN)
    with Vault.open(shop.home.vault) as vault:
        cohort, totals = shop.desk(vault).cohort(Purpose.SHOP_MODEL), shop.desk(vault).totals()
    shop.put_back(copy)
    for _ in range(2):
        with Vault.open(shop.home.vault) as vault:
            assert is_rewound(vault)
            for use in _uses(shop, vault, cohort, totals):
                with pytest.raises(ConsentLogRewoundError) as caught:
                    use()
                assert "accept-restored" in caught.value.for_user()
        begin_anew()


def test_a_cohort_that_was_made_later_than_a_vault_put_back_with_its_head_is_of_no_use(
    shop: Shop, begin_anew: Callable[[], None]
) -> None:
    copy, head = shop.copied(), shop.head.read_bytes()
    shop.said("ann", Act.WITHDRAWN)
    shop.said("ann", Act.GIVEN)
    with Vault.open(shop.home.vault) as vault:
        cohort = shop.desk(vault).cohort(COOP)
    shop.put_back(copy)
    shop.head.write_bytes(head)  # nothing on this computer tells of what came after
    begin_anew()
    with Vault.open(shop.home.vault) as vault:
        assert not is_rewound(vault)
        with pytest.raises(ForgedCohortError):
            load_shop(vault, cohort, FeatureSchema(), NOW.date())
        assert load_shop(vault, shop.desk(vault).cohort(COOP), FeatureSchema(), NOW.date()).customer_ids


def test_an_old_vault_that_was_added_to_is_refused_as_well(shop: Shop) -> None:
    copy, length = shop.copied(), 3
    for _ in range(length):
        shop.said("ann", Act.WITHDRAWN)
    newest = shop.head.read_bytes()
    shop.put_back(copy)
    shop.head.unlink()
    shop.by_hand("UPDATE consent_anchor SET is_kept = 0")
    for _ in range(length + 2):
        shop.said("ann", Act.GIVEN)
    shop.head.write_bytes(newest)  # the log goes beyond it, by another way
    _is_refused_everywhere(shop)


@pytest.mark.parametrize(
    "damage",
    [
        lambda head: head.unlink(),
        lambda head: head.write_bytes(b""),
        lambda head: head.write_bytes(b"[]"),
        lambda head: head.write_text(json.dumps(json.loads(head.read_text()) | {"vault_id": "another"})),
        lambda head: head.write_text(json.dumps(json.loads(head.read_text()) | {"position": 99})),
        lambda head: head.write_text(json.dumps(json.loads(head.read_text()) | {"changes": 1})),
        lambda head: head.write_text(json.dumps(json.loads(head.read_text()) | {"root": "00" * 32})),
        lambda head: head.write_text(json.dumps(json.loads(head.read_text()) | {"version": 3})),
        lambda head: head.write_text(json.dumps(json.loads(head.read_text()) | {"emptied": "00" * 32})),
        lambda head: head.write_text(json.dumps(json.loads(head.read_text()) | {"emptied": ""})),
    ],
)
def test_a_head_that_is_gone_damaged_or_another_is_refused(
    shop: Shop, damage: Callable[[Path], object], begin_anew: Callable[[], None]
) -> None:
    damage(shop.head)
    begin_anew()
    _is_refused_everywhere(shop)


def test_an_entry_that_was_rewritten_is_found_by_its_leaf_or_else_by_the_root(
    shop: Shop, begin_anew: Callable[[], None]
) -> None:
    shop.by_hand("UPDATE consents SET act = 'given' WHERE act = 'refused'")
    begin_anew()
    _is_refused_everywhere(shop, InconsistentConsentLogError)
    # With the leaf made to fit: whoever has the vault has the salt.
    with Vault.open(shop.home.vault) as vault, vault.write() as connection:
        rows = connection.execute(
            "SELECT position, salt, event_id, customer, purpose, channel, act, at, valid_until, method,"
            " source, notice_version, language, notice_sha256, evidence_sha256 FROM consents"
        ).fetchall()
        for position, salt, *content in rows:
            leaf = consent_leaf(read_event(content), salt)
            connection.execute("UPDATE consents SET leaf = ? WHERE position = ?", (leaf, position))
    begin_anew()
    _is_refused_everywhere(shop)


def test_an_entry_that_is_missing_is_told(shop: Shop, begin_anew: Callable[[], None]) -> None:
    shop.by_hand("DELETE FROM consents WHERE position = 3")
    begin_anew()
    with Vault.open(shop.home.vault) as vault, pytest.raises(InconsistentConsentLogError, match="entry 3"):
        shop.desk(vault).root()


def test_a_crash_between_the_log_and_its_head_loses_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, begin_anew: Callable[[], None]
) -> None:
    before = shop.head.read_bytes()

    def crash(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(consent_log.ConsentLog, "settle", crash)
        with pytest.raises(KeyboardInterrupt):
            shop.said("ann", Act.WITHDRAWN)
    begin_anew()
    assert shop.head.read_bytes() == before
    assert shop.state("ann") is ConsentState.WITHDRAWN
    shop.said("ben", Act.WITHDRAWN)
    assert json.loads(shop.head.read_text())["position"] == 8


def test_the_very_first_answers_are_anchored_whenever_the_process_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vault says that it has an anchor in the same step as it gets its first entry, never before."""
    path = tmp_path / "vault.db"
    with Vault.open(path) as vault:
        with vault.write() as connection:
            connection.execute("INSERT INTO customers (customer_id) VALUES ('ann')")
        monkeypatch.setattr(consent_log, "_insert", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            ConsentDesk(vault).record("ann", COOP, Act.GIVEN, SAID)
        monkeypatch.undo()
        assert ConsentDesk(vault).position() == 0
        ConsentDesk(vault).record("ann", COOP, Act.GIVEN, SAID)
        assert len(ConsentDesk(vault).cohort(COOP)) == 1


def _old_copy_put_back(shop: Shop) -> None:
    copy = shop.copied()
    shop.said("ann", Act.WITHDRAWN, Purpose.SHOP_MODEL)
    shop.put_back(copy)


def test_after_the_owners_word_every_yes_is_over_every_no_stands_and_a_new_yes_counts(shop: Shop) -> None:
    _old_copy_put_back(shop)
    accept_restored_log(shop.home)
    again, no = ConsentState.RECONSENT_NEEDED, ConsentState.REFUSED
    shop.now = int((datetime.now(UTC) + timedelta(seconds=5)).timestamp()) * SECONDS
    assert [shop.state("ann", purpose) for purpose in list(Purpose)[:3]] == [again] * 3
    assert [shop.state("ben", purpose) for purpose in list(Purpose)[:3]] == [no, again, no]
    # What was said before does not come back by a file.
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    shop.imported("later", "customers.csv", CUSTOMERS.replace("2025-01-02", yesterday))
    assert shop.state("ann") is again
    shop.said("ann", Act.GIVEN)
    with Vault.open(shop.home.vault) as vault:
        assert shop.desk(vault).cohort(COOP).customers == (vault.customer_key("ann"),)
        assert not is_rewound(vault)


def test_a_yes_dated_ahead_does_not_survive_the_owners_word(shop: Shop) -> None:
    shop.now += 10**9 * SECONDS
    shop.said("ann", Act.GIVEN)
    copy = shop.copied()
    shop.said("ann", Act.WITHDRAWN)
    shop.put_back(copy)
    accept_restored_log(shop.home)
    shop.now += 10**9 * SECONDS
    assert shop.state("ann") is ConsentState.RECONSENT_NEEDED


@pytest.mark.parametrize("at", ["add_unknown", "settle_unknown"])
def test_the_owners_word_that_was_cut_off_accepted_nothing_and_can_be_given_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    _old_copy_put_back(shop)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(consent_log.ConsentLog, at, crash)
        with pytest.raises(KeyboardInterrupt):
            accept_restored_log(shop.home)
    _is_refused_everywhere(shop)
    accepted = accept_restored_log(shop.home)
    with Vault.open(shop.home.vault) as vault:
        assert len(shop.desk(vault).cohort(COOP)) == 0
        assert accepted == shop.desk(vault).root()


def test_a_log_that_does_not_fit_its_leaves_is_never_accepted(
    shop: Shop, begin_anew: Callable[[], None]
) -> None:
    shop.by_hand("UPDATE consents SET act = 'given' WHERE act = 'refused'")
    begin_anew()
    kept = shop.head.read_bytes()
    with pytest.raises(InconsistentConsentLogError, match="was changed"):
        accept_restored_log(shop.home)
    assert shop.head.read_bytes() == kept


def test_counts_of_matchings_go_with_the_log_that_they_were_taken_under(shop: Shop) -> None:
    for purpose in MATCHING_PURPOSES:
        shop.said("ann", Act.GIVEN, purpose)
    shop.home.coop.mkdir()
    with Vault.open(shop.home.vault) as vault:
        ann = str(vault.customer_key("ann"))
        counts = PersonCounts(shop.home.person_counts, vault_id=vault.vault_id)
        counts.save(b"t" * 32, Counts({ann: 2}), {ann: b"i" * 32}, consent_position=3)
    accept_restored_log(shop.home)
    kept = counts.latest()
    assert kept is not None
    assert not kept.shops


def test_a_shop_that_was_restored_as_a_whole_asks_everybody_again(shop: Shop) -> None:
    restore_store(shop.home, today=NOW.date())
    again = ConsentState.RECONSENT_NEEDED
    assert [shop.state("ann", purpose) for purpose in list(Purpose)[:3]] == [again] * 3


def test_files_without_answers_are_saved_whatever_became_of_the_log(shop: Shop) -> None:
    _old_copy_put_back(shop)
    shop.imported("products", "products.csv", PRODUCTS)
    with pytest.raises(ConsentLogRewoundError):
        shop.imported("customers", "customers.csv", CUSTOMERS.replace("cat,,,,,", ALSO))


def test_an_erased_persons_entries_say_nothing_and_the_root_stands(
    shop: Shop, begin_anew: Callable[[], None]
) -> None:
    planted = "source-" + os.urandom(8).hex()
    with Vault.open(shop.home.vault) as vault:
        desk = shop.desk(vault)
        desk.record("ann", COOP, Act.WITHDRAWN, How(method=Method.FORM, source=planted))
        desk.record("ben", COOP, Act.GIVEN, SAID)
        ann = vault.customer_key("ann")
        salts = [entry.salt for entry in desk.history(ann)]
        assert len(salts) == 4
        root = desk.root()
        assert desk.erase("ann") == 4
        for _ in range(2):
            assert (desk.root().position, desk.root().root) == (root.position, root.root)
            assert desk.history(ann) == ()
            assert desk.state(ann, COOP) is ConsentState.NOT_ASKED
            assert desk.cohort(COOP).customers == (vault.customer_key("ben"),)
            begin_anew()
        with vault.read() as connection:
            leaves = [leaf for (leaf,) in connection.execute("SELECT leaf FROM consents ORDER BY position")]
        assert (len(leaves), consent_root(leaves)) == (root.position, root.root)
        desk.record("ben", COOP, Act.WITHDRAWN, SAID)  # the log goes on
        assert desk.position() == root.position + 1
    for file in shop.home.root.iterdir():
        data = file.read_bytes()
        assert planted.encode() not in data, file.name
        assert not any(salt is not None and salt in data for salt in salts), file.name


@pytest.mark.parametrize(
    "change",
    [
        lambda desk: desk.erase("ann"),
        lambda desk: desk.exclude("ann", Exclusion.RESTRICTED),
        lambda desk: desk.exclude("ann", Exclusion.MINOR),
    ],
)
def test_a_copy_from_before_somebody_left_is_refused_though_the_log_is_as_long(
    shop: Shop, change: Callable[[ConsentDesk], object], begin_anew: Callable[[], None]
) -> None:
    copy = shop.copied()
    with Vault.open(shop.home.vault) as vault:
        root = shop.desk(vault).root()
        change(shop.desk(vault))
        assert (shop.desk(vault).root().position, shop.desk(vault).root().root) == (root.position, root.root)
    shop.put_back(copy)
    _is_refused_everywhere(shop)
    begin_anew()
    _is_refused_everywhere(shop)


EMPTY = (
    "UPDATE consents SET salt = NULL, event_id = NULL, customer = NULL, purpose = NULL, channel = NULL,"
    ' act = NULL, "at" = NULL, valid_until = NULL, method = NULL, source = NULL, notice_version = NULL,'
    " language = NULL, notice_sha256 = NULL, evidence_sha256 = NULL WHERE "
)


@pytest.mark.parametrize("erased_before", [False, True])
@pytest.mark.parametrize("which", ["position = (SELECT max(position) FROM consents)", "customer = 1"])
def test_a_single_withdrawal_emptied_by_other_hands_is_refused(
    shop: Shop, begin_anew: Callable[[], None], erased_before: bool, which: str
) -> None:
    """And so is a whole person of whom no erasure is on record; the triggers stand, nothing is dropped."""
    if erased_before:
        with Vault.open(shop.home.vault) as vault:
            shop.desk(vault).erase("ben")
    shop.said("ann", Act.WITHDRAWN)
    with Vault.open(shop.home.vault) as vault, vault.write() as connection:
        connection.execute(EMPTY + which)
    _is_refused_everywhere(shop)
    begin_anew()
    _is_refused_everywhere(shop)
    accepted = accept_restored_log(shop.home)
    with Vault.open(shop.home.vault) as vault:
        assert len(shop.desk(vault).cohort(COOP)) == 0
        assert accepted == shop.desk(vault).root()


@pytest.mark.parametrize("at", ["before", "after", "after and before"])
def test_an_erasure_that_is_cut_off_around_its_commit_leaves_a_log_in_order(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, begin_anew: Callable[[], None], at: str
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    def cut_off_before(vault: Vault) -> None:
        keys = [vault.customer_key(name) for name in ("ann", "ben")]
        with vault.write() as connection:
            assert consent_log.ConsentLog(vault).empty(connection, keys) > 0
            crash()

    with monkeypatch.context() as patched, Vault.open(shop.home.vault) as vault:
        if "after" in at:
            patched.setattr(consent_log.ConsentLog, "settle", crash)
            with pytest.raises(KeyboardInterrupt):
                shop.desk(vault).erase("ann")
        if "before" in at:
            with pytest.raises(KeyboardInterrupt):
                cut_off_before(vault)
    begin_anew()
    given, gone = ConsentState.GRANTED, ConsentState.NOT_ASKED
    assert shop.state("ann") is (gone if "after" in at else given)
    with Vault.open(shop.home.vault) as vault:
        assert shop.desk(vault).erase("ann") == (0 if "after" in at else 3)
        assert shop.desk(vault).erase("ben") == 3
    begin_anew()
    assert (shop.state("ann"), shop.state("ben")) == (gone, gone)
    assert json.loads(shop.head.read_text())["to_be_emptied"] is None


def test_who_is_erased_between_the_reading_of_the_head_and_of_the_vault_is_no_alarm(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = ConsentAnchor.read
    with Vault.open(shop.home.vault) as reading, Vault.open(shop.home.vault) as erasing:
        again = ["ann"]

        def read_and_wait(anchor: ConsentAnchor) -> object:
            head = read(anchor)
            if again:
                shop.desk(erasing).erase(again.pop())
            return head

        monkeypatch.setattr(consent_log.ConsentAnchor, "read", read_and_wait)
        assert shop.desk(reading).cohort(COOP).customers == ()


def test_an_entry_can_be_emptied_but_not_in_part(shop: Shop) -> None:
    with Vault.open(shop.home.vault) as vault:
        for change in ("salt = NULL", "customer = NULL, salt = NULL, act = NULL", "leaf = zeroblob(32)"):
            with pytest.raises(Exception, match="contradicts"), vault.write() as connection:
                connection.execute(f"UPDATE consents SET {change} WHERE position = 1")  # noqa: S608


def test_what_one_process_adds_another_sees_at_once(shop: Shop) -> None:
    with Vault.open(shop.home.vault) as one, Vault.open(shop.home.vault) as other:
        here, there = shop.desk(one), shop.desk(other)
        assert here.root() == there.root()
        here.record("ann", COOP, Act.WITHDRAWN, SAID)
        assert there.cohort(COOP).customers == ()
        there.record("ben", COOP, Act.GIVEN, SAID)
        assert len(here.cohort(COOP)) == 1
        assert here.root() == there.root()


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
