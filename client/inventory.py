"""The inventory: every place in a store's folder, what of a person is in it, and what an erasure does there.

`docs/rights.md` shows it, and a test walks a store that has done everything a store does: a file or table
that is not named here fails it. A place that is added is thought about here first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

__all__ = ["PLACES", "Content", "Place", "as_table", "place_of_file", "place_of_table"]


class Content(StrEnum):
    """What of a person a place holds."""

    PERSONAL = "personal"
    DIGEST = "digest"
    SUM = "sum"
    NOTHING = "nothing"

    @property
    def plain_words(self) -> str:
        """The content as an owner would say it."""
        return _PLAIN_WORDS[self]


_PLAIN_WORDS = {
    Content.PERSONAL: "a person's data",
    Content.DIGEST: "a keyed digest or random name of a person",
    Content.SUM: "figures over many people",
    Content.NOTHING: "nothing of a person",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One kind of file, or one table of one of the databases.

    Attributes:
        where: path below the store's folder, `*` standing for any part of a name and `**` for any folders, or
            `file:table`.
        content: what of a person is there.
        holds: the same, said exactly.
        on_erasure: what an erasure does there.
    """

    where: str
    content: Content
    holds: str
    on_erasure: str


def _place(where: str, content: Content, holds: str, on_erasure: str = "nothing to do") -> Place:
    return Place(where=where, content=content, holds=holds, on_erasure=on_erasure)


_P, _D, _S, _N = Content.PERSONAL, Content.DIGEST, Content.SUM, Content.NOTHING
_REMOVED = "removed, the file written anew"

PLACES: tuple[Place, ...] = (
    _place(
        "vault.db:customers",
        _P,
        "the shop's own number for a customer; of a Shopify shop the e-mail address",
        _REMOVED,
    ),
    _place(
        "vault.db:identifiers",
        _P,
        "e-mail address and loyalty number that a customer is matched by",
        _REMOVED,
    ),
    _place(
        "vault.db:customer_attributes",
        _P,
        "coarse groups of age, household, income, language and place that a customer is in",
        _REMOVED,
    ),
    _place("vault.db:orders", _P, "order numbers and times of a customer", _REMOVED),
    _place("vault.db:lines", _P, "what was bought, how much of it and at what price", _REMOVED),
    _place(
        "vault.db:consents",
        _P,
        "every answer of a customer: to what, when, how",
        "emptied, salt and all; its place and its leaf stay, a hash that says nothing without the salt",
    ),
    _place("vault.db:exclusions", _P, "customers whose data is used for nothing, and why", _REMOVED),
    _place("vault.db:notices", _N, "the texts that customers were shown"),
    _place(
        "vault.db:consent_anchor",
        _N,
        "whether the log's head is kept outside, and up to when answers were forgotten",
    ),
    _place("consent.head", _N, "number of the consent log's last entry, hashes over leaves and empty places"),
    _place(
        "vault.db:pseudonyms",
        _D,
        "the random name that the ledger knows a customer by",
        "removed: nobody can tell any more whose the ledger's entries were",
    ),
    _place(
        "vault.db:rights_requests",
        _P,
        "what a customer asked for, when, and where the answer lies",
        "stays without the person: that there was a request of that kind on that day",
    ),
    _place(
        "vault.db:products",
        _N,
        "the catalogue; and products known from orders alone, whose code can be as special as its only buyer",
        "products that nobody else bought and no file listed are removed",
    ),
    _place(
        "vault.db:imports",
        _N,
        "names, hashes and sizes of the files that were imported",
        "a file's name that holds what the person was known by is emptied; the hash stays, so that the very "
        "file is not imported again",
    ),
    _place("vault.db:identity", _N, "the vault's own random name"),
    _place("vault.db:sqlite_sequence", _N, "the highest row keys ever given, so that none is given twice"),
    _place(
        "vault.db-wal",
        _P,
        "pages of the vault that were just changed",
        "emptied; refused while somebody reads it",
    ),
    _place("vault.db-shm", _N, "where those pages are"),
    _place(
        "vault.db-journal",
        _P,
        "pages of the vault while its schema is brought up to date",
        "not there: SQLite removes it",
    ),
    _place(
        "vault.db-staging*",
        _P,
        "the rows of a file that is being imported, or of one whose import was killed",
        "removed; the erasure waits for no import, it is refused while one runs",
    ),
    _place("import.lock", _N, "empty; locked while files are imported or somebody is erased"),
    _place(
        "erasures.json",
        _D,
        "digests of the numbers of those erased lately, and their key",
        "the person is added, and removed by the first look at what is kept no longer after `backup_days`",
    ),
    _place(
        "rights/*/record.*",
        _P,
        "the copy of a customer's data that was made for them, for people and for programs",
        "removed; without an erasure by the first look at what is kept no longer after 30 days",
    ),
    _place(
        "rights/*.key",
        _N,
        "while an erasure is unfinished: the key of what the journal keeps to look for in every file",
        "removed when it is finished; one that a killed erasure never used, by the next",
    ),
    _place(
        "rights/certificates/*.json",
        _D,
        "signed certificates of erasures; the person is in them as a commitment whose salt is not kept",
    ),
    _place(
        "ledger.db:exposures",
        _D,
        "keyed digests of pseudonyms: who was charged for which round",
        "stays; it is nobody's any more",
    ),
    _place("ledger.db:rounds", _S, "rounds that were paid for: noise, day, and a hash over the digests"),
    _place(
        "ledger.db:replies",
        _S,
        "what left: sums with noise, split and sealed to the shops of the committee",
        "stays: what was sent is sent again as it was, and cannot be called back",
    ),
    _place("ledger.db:agreements", _N, "whose sums this shop agreed to open"),
    _place("ledger.db:restorations", _N, "days on which the store was restored"),
    _place("ledger.db:identity", _N, "the ledger's key"),
    _place("ledger.db-wal", _D, "pages of the ledger that were just changed", "stays; see there"),
    _place("ledger.db-shm", _N, "where those pages are"),
    _place("ledger.db.mark", _N, "number and hash of the ledger's last entry"),
    _place(
        "matching.db:customers",
        _P,
        "while a matching is under way: whose identifier is where in its list, what is hashed, what blinds "
        "it, the tag",
        "random bytes take the person's place; the list stays as it was sent, and nobody can find them in it",
    ),
    _place(
        "matching.db:stores",
        _S,
        "while a matching is under way: its list as it is sent, and what the shop's made-up entries come "
        "from",
        "stays until the matching is over: what blinds the person's place in the list is not in it",
    ),
    _place(
        "matching.db:holders", _N, "while a matching is under way: this shop's key for other shops' lists"
    ),
    _place("matching.db:answers", _N, "hashes of other shops' blinded lists"),
    _place("matching.db:matchings", _N, "which matchings there were"),
    _place(
        "matching.db-journal", _P, "pages of that file while it is changed", "not there: SQLite removes it"
    ),
    _place(
        "coop/person_counts.json",
        _P,
        "row key -> at how many shops the person shops, and a keyed digest of the identifier",
        "the person's entry is removed",
    ),
    _place("coop/.person_counts.json.*.tmp", _P, "half of that file, when writing it was killed", "removed"),
    _place("coop/matchings/*.deadline", _N, "until when a matching lasts"),
    _place(
        "coop/matchings/*.list",
        _S,
        "the shop's blinded list, as long as every shop's, as it was sent",
        "stays: without what blinded it nobody can find a person in it",
    ),
    _place(
        "coop/matchings/*.table",
        _S,
        "the shop's masked table, split and sealed to the shops of the committee",
        "stays: it is what travelled, and no key on this computer opens it",
    ),
    _place(
        "personal/*.safetensors",
        _S,
        "the shop's own model, fitted without noise on its customers",
        "removed; it is fitted anew without the person when it is needed next",
    ),
    _place("personal/active.json", _N, "which model is in use, and on what it was fitted", "removed"),
    _place("personal/.*.tmp", _S, "half of a model, when writing it was killed", "removed"),
    _place(
        "releases/**",
        _S,
        "the co-op's releases: sums with noise over all shops",
        "stays; what it can tell of a person at most is in the certificate, as epsilon",
    ),
    _place("releases_seen.json", _N, "the newest release of each co-op"),
    _place("coop/*", _N, "charter, roster, certificates, vouches and codes of other shops, programmes' days"),
    _place("coop/rosters/*", _N, "rosters from before"),
    _place(
        "coop/log/*",
        _N,
        "the store's log: rounds, spends, releases in use, heads of the consent log; hashes and numbers",
    ),
    _place(
        "coop/attestations/*",
        _D,
        "what opens the store's attestations of rounds: a salted hash for each customer used",
        "stays; the salts follow from the pseudonym, so no hash can be opened any more",
    ),
    _place(
        "former/*/*/attestations/*",
        _D,
        "the same, of former memberships",
        "stays; see there",
    ),
    _place("coop/erasures.jsonl", _N, "hashes of the certificates of erasures, by the round after them"),
    _place("coop/witness/**", _N, "checkpoints of the coordinator's log that this store has seen"),
    _place(
        "former/*-ledger-*/*",
        _D,
        "ledgers that were put aside when the store was restored",
        "stays; see ledger.db",
    ),
    _place("former/**", _S, "papers and releases of former memberships; no counts and no matchings' secrets"),
    _place(".ledger-*/*", _N, "a new ledger that is being begun"),
    _place("keys/*", _N, "the store's own keys"),
    _place("logs/*", _N, "what the store did, in counts and numbers of rounds"),
    _place("run/**", _N, "locks, sockets, process numbers, and the Flower node's own folder"),
    _place("store.toml", _N, "the shop's settings"),
    _place("special_products.toml", _N, "the shop's words for products of a sensitive kind"),
    _place("shopify.json", _N, "the shop's name at Shopify, and what Shopify signs its calls with"),
    _place("shopify.lock", _N, "empty; locked while a call is dealt with"),
)


def place_of_file(path: str, places: Iterable[Place] = PLACES) -> Place | None:
    """Return the first place that a file belongs to, by its path below the store's folder; None: unknown."""
    for place in places:
        if ":" in place.where:
            if place.where.split(":")[0] == path:
                return place
        elif _fits(path, place.where):
            return place
    return None


def place_of_table(file: str, table: str, places: Iterable[Place] = PLACES) -> Place | None:
    """Return the place of a database's table; None: unknown."""
    return next((place for place in places if place.where == f"{file}:{table}"), None)


def as_table(places: Iterable[Place] = PLACES) -> str:
    """Return the inventory as a table in Markdown."""
    rows = [
        f"| `{place.where}` | {place.content.plain_words} | {place.holds} | {place.on_erasure} |"
        for place in places
    ]
    return "\n".join(["| where | holds | exactly | an erasure |", "|---|---|---|---|", *rows])


def _fits(path: str, pattern: str) -> bool:
    if pattern.endswith("/**"):
        return path.startswith(pattern[:-2]) or fnmatchcase(path, pattern)
    parts, wanted = path.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))
