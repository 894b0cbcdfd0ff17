"""The personal record: all that a store holds of one customer, for that customer.

GDPR, Articles 15 and 20.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from highstreet.audit.consent import ConsentState, Purpose
from highstreet.audit.erasure_certificate import guess_bound
from highstreet.client.consent import ConsentDesk
from highstreet.client.consent_history import ConsentEntry, consent_history
from highstreet.client.consented_cohort import Exclusion
from highstreet.client.errors import PersonCountsError
from highstreet.client.exposure import Exposure, exposures_of
from highstreet.client.home import StoreHome
from highstreet.client.inventory import PLACES, Content
from highstreet.client.membership import is_joined, load_membership
from highstreet.client.rights_requests import Request, requests_of
from highstreet.client.vault import Vault

__all__ = ["PersonalRecord", "gather_record"]

_MONEY_UNIT = 10_000
_EPOCH = datetime(1970, 1, 1)
#: Tables that other parts of the record show; of `customers` what is more than the number is shown apart.
_SHOWN = frozenset({"identifiers", "orders", "consents", "exclusions", "rights_requests", "pseudonyms"})
_IDENTIFIERS = "SELECT kind, value FROM identifiers WHERE customer = ? ORDER BY kind"
_LINES = """
    SELECT o."order", o.order_id, o.ordered_at, p.product_id, p.title, l.quantity, l.unit_price, l.discount
    FROM orders AS o LEFT JOIN lines AS l ON l."order" = o."order" LEFT JOIN products AS p USING (product)
    WHERE o.customer = ? ORDER BY o.ordered_at, o."order", l.line
"""

#: Who sees what, said as it is in code; no row of a customer ever leaves.
_RECIPIENTS = (
    "Nobody outside this shop is given a row about you, your number, your addresses or what you bought.",
    "Where you agreed to it, the co-op is given sums over this shop's customers with noise in them, split "
    "among the shops of a committee so that none of them sees this shop's own sum.",
    "Where you agreed to be matched, other shops are given a list of blinded identifiers that none of them "
    "can read, and each counts at how many shops its own customers shop.",
)
_SOURCES = (
    "files that this shop exported from its own till or shop system and imported here",
    "answers that were written down at this shop",
)
_LOGIC = (
    "Suggestions put products in order by what you bought before, what is bought together with it, what this "
    "shop's customers buy, and, where there is a release of the co-op, what its customers buy. Each "
    "suggestion names its main reason. They decide nothing else: no price, no credit, no contract."
)
_CONSENT = "consent (GDPR, Article 6(1)(a))"
_EXPLICIT = "explicit consent (GDPR, Article 9(2)(a))"
_RIGHTS = (
    "You can have what is wrong put right, have your data kept and used for nothing, object, take back each "
    "answer at any time, and have everything erased. You can complain to your data protection authority."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalRecord:
    """All that a store holds of one customer. Personal data, for that customer alone.

    Attributes:
        made_at: aware moment.
        shop: the co-op and the shop's own id in it; empty texts outside a co-op.
        customer_id: the shop's own number for the customer.
        identifiers: kind -> value.
        orders: as `to_dict` gives them.
        states: purpose -> where the customer stands.
        history: the customer's entries in the consent log.
        exclusions: why the customer is in no cohort, whatever they agreed to.
        further: what any other table holds of the customer: table -> rows, column -> value.
        requests: under the customer's rights.
        shops_counted: at how many shops of the co-op, by the latest matching; None: not known.
        exposure: rounds the data was used in and what that tells at most.
        backup_days: for how long a copy of the shop's data may be around.
    """

    made_at: datetime
    shop: Mapping[str, str]
    customer_id: str = field(repr=False)
    identifiers: Mapping[str, str] = field(repr=False)
    orders: Sequence[Mapping[str, object]] = field(repr=False)
    states: Mapping[Purpose, ConsentState] = field(repr=False)
    history: Sequence[ConsentEntry] = field(repr=False)
    exclusions: frozenset[Exclusion]
    further: Mapping[str, Sequence[Mapping[str, object]]] = field(repr=False)
    requests: Sequence[Request]
    shops_counted: int | None
    exposure: Exposure
    backup_days: int

    @property
    def right_guesses(self) -> float:
        """The most often anybody can be right who guesses from all that left whether this customer was in."""
        return guess_bound(self.exposure.epsilon, delta=self.exposure.delta)

    def to_dict(self) -> dict[str, object]:
        """Return plain values, for programs: a copy that another service can read."""
        return {
            "format": "highstreet personal record 1",
            "made_at": self.made_at.isoformat(timespec="seconds"),
            "shop": dict(self.shop),
            "customer_id": self.customer_id,
            "identifiers": dict(self.identifiers),
            "orders": [dict(order) for order in self.orders],
            "purposes": [
                {
                    "purpose": purpose.value,
                    "plain_words": purpose.plain_words,
                    "legal_basis": _EXPLICIT if purpose is Purpose.SENSITIVE_CATEGORIES else _CONSENT,
                    "state": state.value,
                }
                for purpose, state in self.states.items()
            ],
            "answers": [entry.to_dict() for entry in self.history],
            "is_restricted": Exclusion.RESTRICTED in self.exclusions,
            "is_kept_apart_as_minor": Exclusion.MINOR in self.exclusions,
            "further": {table: [dict(row) for row in rows] for table, rows in self.further.items()},
            "requests": [
                {
                    "kind": each.kind.value,
                    "plain_words": each.kind.plain_words,
                    "at": _moment(each.made_at),
                    "source": each.source,
                }
                for each in self.requests
            ],
            "shops_counted": self.shops_counted,
            "rounds": [
                {
                    "training": each.programme_id,
                    "round": each.phase + 1,
                    "day": (date(1970, 1, 1) + timedelta(days=each.day)).isoformat(),
                    "noise_multiplier": each.noise_multiplier,
                    "sampling_rate": each.sampling_rate,
                    "left_the_shop": each.is_answered,
                }
                for each in self.exposure.rounds
            ],
            "privacy_loss": {
                "epsilon": self.exposure.epsilon,
                "epsilon_in_period": self.exposure.epsilon_in_period,
                "most_anybody_lost_in_period": self.exposure.counted_epsilon,
                "delta": self.exposure.delta,
                "period_days": self.exposure.period_days,
                "is_least": self.exposure.is_least,
                "right_guesses": self.right_guesses,
            },
            "recipients": list(_RECIPIENTS),
            "sources": list(_SOURCES),
            "logic": _LOGIC,
            "retention": self.retention,
            "rights": _RIGHTS,
            "places": [
                {"where": place.where, "holds": place.holds}
                for place in PLACES
                if place.content in {Content.PERSONAL, Content.DIGEST}
            ],
        }

    @property
    def retention(self) -> str:
        """For how long the data is kept, in words."""
        return (
            "Kept until this shop erases them, or you ask for it. Backups from before an erasure may be "
            f"around for {self.backup_days} days; whoever is erased is erased again when one is put back."
        )


def gather_record(home: StoreHome, vault: Vault, customer_id: str, *, now: datetime) -> PersonalRecord:
    """Gather all that the store holds of a customer.

    Raises:
        UnknownCustomerError: no such customer. InconsistentConsentLogError, LedgerError: a part cannot be
        relied on, so that no full record can be made.
    """
    from highstreet.client.config import read_config

    customer = vault.customer_key(customer_id)
    desk = ConsentDesk(vault)
    states = {purpose: desk.state(customer, purpose) for purpose in Purpose}
    with vault.read() as connection:
        (own_number,) = connection.execute(
            "SELECT customer_id FROM customers WHERE customer = ?", (customer,)
        ).fetchone()
        identifiers = dict(connection.execute(_IDENTIFIERS, (customer,)).fetchall())
        orders = _orders(connection, customer)
        requests, further = requests_of(connection, customer), _further(connection, customer)
    (exposure,) = exposures_of(home, vault, [customer], today=now.astimezone(UTC).date())
    return PersonalRecord(
        made_at=now,
        shop=_shop(home),
        customer_id=own_number,
        identifiers=identifiers,
        orders=orders,
        states=states,
        history=consent_history(desk, customer),
        exclusions=desk.exclusions(customer),
        further=further,
        requests=requests,
        shops_counted=_shops_counted(home, vault, customer),
        exposure=exposure,
        backup_days=read_config(home).rights.backup_days,
    )


def _orders(connection: sqlite3.Connection, customer: int) -> list[dict[str, object]]:
    orders: dict[int, dict[str, object]] = {}
    lines: dict[int, list[dict[str, object]]] = {}
    for key, order_id, ordered_at, product_id, title, quantity, price, discount in connection.execute(
        _LINES, (customer,)
    ):
        if key not in orders:
            lines[key] = []
            moment = (_EPOCH + timedelta(seconds=ordered_at)).isoformat()
            orders[key] = {"order_id": order_id, "ordered_at": moment, "lines": lines[key]}
        if product_id is not None:
            lines[key].append(
                {
                    "product_id": product_id,
                    "title": title,
                    "quantity": quantity,
                    "unit_price": None if price is None else price / _MONEY_UNIT,
                    "discount": discount / _MONEY_UNIT,
                }
            )
    return list(orders.values())


def _further(connection: sqlite3.Connection, customer: int) -> dict[str, list[dict[str, object]]]:
    """Return what any table holds of a customer that no other part of the record shows.

    By the schema, so that a table or a column that is added later is in the record from its first day.
    """
    tables = [
        table
        for (table,) in connection.execute(
            "SELECT m.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c"
            " WHERE m.type = 'table' AND c.name = 'customer' ORDER BY m.name"
        )
        if table not in _SHOWN
    ]
    found = {}
    for table in tables:
        cursor = connection.execute(f'SELECT * FROM "{table}" WHERE customer = ?', (customer,))  # noqa: S608
        columns = [description[0] for description in cursor.description]
        rows = [
            {
                name: value.hex() if isinstance(value, bytes) else value
                for name, value in zip(columns, row, strict=True)
                if name not in {"customer", "customer_id"}
            }
            for row in cursor
        ]
        found[table] = [row for row in rows if row]
    return {table: rows for table, rows in found.items() if rows}


def _shop(home: StoreHome) -> dict[str, str]:
    if not is_joined(home):
        return {"coop_name": "", "coop_id": "", "member_id": ""}
    membership = load_membership(home)
    return {
        "coop_name": membership.coop_name,
        "coop_id": membership.coop_id,
        "member_id": membership.member_id,
    }


def _shops_counted(home: StoreHome, vault: Vault, customer: int) -> int | None:
    if not home.person_counts.exists():
        return None
    # Imported here: it brings a library that is unpacked on the disk.
    from highstreet.client.person_counts import PersonCounts

    try:
        kept = PersonCounts(home.person_counts, vault_id=vault.vault_id).latest()
    except PersonCountsError:
        return None
    return None if kept is None or kept.shops is None else kept.shops.get(str(customer))


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="seconds")
