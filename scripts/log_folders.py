"""Whole folders of logs, in order and tampered with, and what a verifier has to say of each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.checkpoints import Checkpoint, coordinator_origin, log_key, store_origin, witness_key
from highstreet.audit.log_entries import EntryDraft, EntryKind, LogEntry
from highstreet.audit.log_owner import LogOwner
from highstreet.audit.merkle import MerkleTree
from highstreet.audit.signed_notes import NoteKey, NoteSignature, SignedNote, cosign_text
from highstreet.audit.signing import public_key_bytes
from highstreet.audit.witness_file import to_witness_file

__all__ = ["Case", "expectations", "make_folders"]

_COUNT = 12
_MINUTE = 60


@dataclass(frozen=True, kw_only=True)
class Case:
    """A folder and what is to be said of it.

    Attributes:
        about: what was done to it.
        files: name and content.
        exit: of `highstreet audit verify FOLDER --key FOLDER/keys` with every `witness-` file.
        first, last: the entries to be named, from 1; None where there are none.
        cosigned: of each witness whose key is in `keys`, up to which size its checkpoints fit.
    """

    about: str
    files: Mapping[str, bytes]
    exit: int = 0
    first: int | None = None
    last: int | None = None
    cosigned: Mapping[str, int] = field(default_factory=dict)

    def expected(self) -> dict[str, object]:
        """Return what is written beside the folders."""
        return {
            "about": self.about,
            "exit": self.exit,
            "first": self.first,
            "last": self.last,
            "cosigned": dict(self.cosigned),
        }


class _Maker:
    """Makes logs of one coordinator and checkpoints of them, from fixed keys and times."""

    def __init__(self, keys: Mapping[str, Ed25519PrivateKey], *, coop_id: str, began: int) -> None:
        self.keys = keys
        self.coop_id = coop_id
        self.began = began
        self.origin = coordinator_origin(coop_id)
        self.names = {name: store_origin(coop_id, 8 * ids) for name, ids in (("mill", "cd"), ("oak", "ef"))}

    def opening(self, *, key: str = "log", coop_id: str | None = None) -> EntryDraft:
        owner = LogOwner(
            origin=coordinator_origin(coop_id or self.coop_id),
            role="coordinator",
            coop_id=coop_id or self.coop_id,
        )
        return owner.opening(public_key_bytes(self.keys[key]))

    def entries(self, *, key: str = "log", branch: int = 0, parts_at: int = 99) -> list[LogEntry]:
        """Return a whole log; with a branch, one that is another from an entry on."""
        drafts = [self.opening(key=key)]
        for number in range(2, _COUNT + 1):
            seen = branch if number >= parts_at else 0
            body = {"step": "joined", "member_id": f"{number:016x}", "keys_sha256": f"{seen:064x}"}
            drafts.append(
                EntryDraft(kind=EntryKind.MEMBERSHIP, key=f"member/{number:016x}/joined", body=body)
            )
        return [LogEntry(at=self.began + _MINUTE * at, draft=draft) for at, draft in enumerate(drafts)]

    def lines(self, entries: Sequence[LogEntry]) -> bytes:
        return b"".join(entry.document() + b"\n" for entry in entries)

    def heads(
        self, entries: Sequence[LogEntry], *, key: str = "log", sizes: Sequence[int] | None = None
    ) -> bytes:
        wanted = range(1, len(entries) + 1) if sizes is None else sizes
        return b"".join(self._checkpoint(entries, size).sign(self.keys[key]).to_line() for size in wanted)

    def note(
        self,
        entries: Sequence[LogEntry],
        size: int,
        *witnesses: str,
        key: str = "log",
        after: int = 5,
        is_false: bool = False,
    ) -> SignedNote:
        """Return a checkpoint; each witness cosigned it some seconds after its last entry."""
        note = self._checkpoint(entries, size).sign(self.keys[key]).note()
        at = entries[size - 1].at + after
        lines = [
            cosign_text(note.text, name=self.names[name], private_key=self.keys[name], at=at)
            for name in witnesses
        ]
        if is_false:
            lines = [_spoilt(line) for line in lines]
        return replace(note, signatures=(*note.signatures, *lines))

    def kept(
        self, entries: Sequence[LogEntry], witness: str, sizes: Sequence[int], *, after: int = 5
    ) -> bytes:
        return to_witness_file(self.note(entries, size, witness, after=after) for size in sizes)

    def _checkpoint(self, entries: Sequence[LogEntry], size: int) -> Checkpoint:
        tree = MerkleTree(entry.leaf() for entry in entries[:size])
        return Checkpoint(origin=self.origin, size=size, root=tree.root(size))

    def keyring(self, *, log: str | None = "log") -> bytes:
        found: list[NoteKey] = []
        if log is not None:
            found.append(log_key(self.origin, public_key_bytes(self.keys[log])))
        found += [witness_key(name, public_key_bytes(self.keys[who])) for who, name in self.names.items()]
        return b"".join(key.to_text().encode() + b"\n" for key in found)

    def files(self, log: Sequence[LogEntry], **more: bytes | None) -> dict[str, bytes]:
        """Return a folder with two witnesses' files; what is given replaces a file, None takes it away."""
        whole = self.entries()
        made = {
            "entries.jsonl": self.lines(log),
            "heads": self.heads(log),
            "keys": self.keyring(),
            "witness-mill.jsonl": self.kept(whole, "mill", (3, 6, 9, 12)),
            "witness-oak.jsonl": self.kept(whole, "oak", (5, 10)),
        }
        for name, content in more.items():
            made[_FILES[name]] = content  # type: ignore[assignment]  # taken away below
        return {name: content for name, content in made.items() if content is not None}


_FILES = {
    "entries": "entries.jsonl",
    "heads": "heads",
    "checkpoint": "checkpoint",
    "keys": "keys",
    "mill": "witness-mill.jsonl",
    "oak": "witness-oak.jsonl",
}


def _spoilt(line: NoteSignature) -> NoteSignature:
    return replace(line, signature=line.signature[:-1] + bytes([line.signature[-1] ^ 1]))


def _edited(entries: Sequence[LogEntry], number: int) -> list[LogEntry]:
    changed = list(entries)
    entry = changed[number - 1]
    body = {**entry.draft.body, "keys_sha256": "9" * 64}
    changed[number - 1] = replace(entry, draft=replace(entry.draft, body=body))
    return changed


def make_folders(keys: Mapping[str, Ed25519PrivateKey], *, coop_id: str, began: int) -> dict[str, Case]:
    """Return every folder by its name.

    Args:
        keys: of `log`, `mill` and `oak`, and of `stranger`, who has another key.
        coop_id: of the co-op.
        began: when the first entry was written, in unix seconds.
    """
    maker = _Maker(keys, coop_id=coop_id, began=began)
    cases = _in_order(maker) | _by_heads(maker) | _by_witnesses(maker) | _by_entries(maker) | _unusable(maker)
    return cases | _damaged_and_tampered(maker)


def _saw(maker: _Maker, mill: int | None = 12, oak: int | None = 10) -> dict[str, int]:
    sizes = {"mill": mill, "oak": oak}
    return {maker.names[name]: size for name, size in sizes.items() if size is not None}


def _in_order(maker: _Maker) -> dict[str, Case]:
    whole = maker.entries()
    newest = [maker.note(whole, 9, "mill"), maker.note(whole, 12, "mill", "oak")]
    return {
        "whole": Case(about="nothing was done to it", files=maker.files(whole), cosigned=_saw(maker)),
        "whole-in-batches": Case(
            about="appended in three batches, each with one head; a checkpoint with cosignatures lies beside",
            files=maker.files(
                whole,
                heads=maker.heads(whole, sizes=(1, 5, 12)),
                checkpoint=to_witness_file(newest),
                mill=None,
                oak=None,
            ),
            cosigned=_saw(maker, mill=12, oak=12),
        ),
        "whole-one-note": Case(
            about="a single signed note is the checkpoint; no key of the log was given",
            files=maker.files(
                whole,
                checkpoint=maker.note(whole, 12, "oak").to_bytes(),
                mill=None,
                oak=None,
                keys=maker.keyring(log=None),
            ),
            cosigned=_saw(maker, mill=None, oak=12),
        ),
    }


def _by_heads(maker: _Maker) -> dict[str, Case]:
    whole = maker.entries()
    heads = maker.heads(whole)
    batches = maker.heads(whole, sizes=(1, 4, 9, 12))
    swapped = [*whole[:6], whole[7], whole[6], *whole[8:]]
    late = LogEntry(
        at=whole[-1].at + _MINUTE,
        draft=EntryDraft(
            kind=EntryKind.MEMBERSHIP, key="member/99/left", body={"step": "left", "member_id": "99"}
        ),
    )
    return {
        "edited": Case(
            about="entry 7 was edited; its heads are as they were",
            files=maker.files(_edited(whole, 7), heads=heads),
            exit=1,
            first=7,
            last=7,
            cosigned=_saw(maker, mill=6, oak=5),
        ),
        "edited-in-a-batch": Case(
            about="entry 6 was edited; one head covers 5 to 9",
            files=maker.files(_edited(whole, 6), heads=batches, mill=None, oak=None),
            exit=1,
            first=5,
            last=9,
        ),
        "deleted": Case(
            about="entry 4 was taken out",
            files=maker.files([*whole[:3], *whole[4:]], heads=heads, mill=None, oak=None),
            exit=1,
            first=4,
            last=4,
        ),
        "exchanged": Case(
            about="entries 7 and 8 were exchanged",
            files=maker.files(swapped, heads=heads, mill=None, oak=None),
            exit=1,
            first=7,
            last=7,
        ),
        "cut": Case(
            about="the last two entries were cut off; the heads are whole",
            files=maker.files(whole[:10], heads=heads, mill=None, oak=None),
            exit=1,
            first=11,
            last=11,
        ),
        "not-covered": Case(
            about="an entry was added that no head covers",
            files=maker.files([*whole, late], heads=heads),
            exit=1,
            first=13,
            last=13,
            cosigned=_saw(maker),
        ),
        "no-heads": Case(
            about="the heads are gone; a checkpoint of all entries does not stand for them",
            files=maker.files(whole, heads=None, checkpoint=maker.note(whole, 12, "mill").to_bytes()),
            exit=1,
            first=1,
            last=12,
            cosigned=_saw(maker),
        ),
        "half-a-line": Case(
            about="half an entry follows the last line",
            files=maker.files(whole, entries=maker.lines(whole) + late.document()[:40]),
            exit=1,
            first=13,
            last=13,
            cosigned=_saw(maker),
        ),
        "a-head-of-a-stranger": Case(
            about="line 8 of the heads is signed with another key",
            files=maker.files(
                whole,
                heads=maker.heads(whole, sizes=range(1, 8))
                + maker.heads(whole, sizes=[8], key="stranger")
                + maker.heads(whole, sizes=range(9, 13)),
            ),
            exit=1,
            first=8,
            last=8,
            cosigned=_saw(maker),
        ),
    }


def _by_witnesses(maker: _Maker) -> dict[str, Case]:
    whole = maker.entries()
    other = maker.entries(branch=1, parts_at=4)
    stranger = maker.entries(key="stranger")
    two_roots = [maker.note(whole, 3, "mill"), maker.note(whole, 6, "mill"), maker.note(other, 6, "mill")]
    return {
        "rolled-back": Case(
            about="all files were put back together to the state at 8 entries",
            files=maker.files(whole[:8]),
            exit=1,
            first=9,
            last=9,
            cosigned=_saw(maker, mill=6, oak=5),
        ),
        "signed-anew": Case(
            about="entry 8 was edited, and every head signed anew with the log's own key",
            files=maker.files(_edited(whole, 8)),
            exit=1,
            first=7,
            last=9,
            cosigned=_saw(maker, mill=6, oak=5),
        ),
        "forked": Case(
            about="the log is what the first witness saw; the second was shown another from entry 4 on",
            files=maker.files(whole, oak=maker.kept(other, "oak", (2, 5, 10))),
            exit=1,
            first=3,
            last=5,
            cosigned=_saw(maker, oak=2),
        ),
        "two-roots": Case(
            about="one witness's file holds two roots of one size, both signed by the log",
            files=maker.files(whole, mill=to_witness_file(two_roots), oak=None),
            exit=1,
            first=4,
            last=6,
            cosigned=_saw(maker, mill=3, oak=None),
        ),
        "evidence-of-a-conflict": Case(
            about="a note of another branch, which nobody cosigned, was kept as evidence",
            files=maker.files(whole, oak=maker.note(other, 9).to_bytes()),
            exit=1,
            first=1,
            last=9,
            cosigned=_saw(maker, oak=None),
        ),
        "fork-under-a-false-cosignature": Case(
            about="another branch's checkpoint; the log's signature is good, the witness's is not",
            files=maker.files(
                whole, oak=to_witness_file([maker.note(other, 6, "oak", is_false=True)]), mill=None
            ),
            exit=1,
            first=1,
            last=6,
        ),
        "another-key": Case(
            about="all was signed anew with another key; the witnesses saw it under the first",
            files=maker.files(
                stranger, heads=maker.heads(stranger, key="stranger"), keys=maker.keyring(log=None)
            ),
            exit=1,
            first=1,
            last=1,
        ),
        "another-key-that-a-witness-saw": Case(
            about="the log's key was given; a witness whose key was given cosigned it under a stranger's",
            files=maker.files(whole, mill=maker.note(whole, 6, "mill", key="stranger").to_bytes()),
            exit=1,
            first=1,
            last=1,
            cosigned=_saw(maker, mill=None),
        ),
        "another-key-than-given": Case(
            about="all was signed anew with another key; the first was given",
            files=maker.files(stranger, heads=maker.heads(stranger, key="stranger"), mill=None, oak=None),
            exit=1,
            first=1,
            last=1,
        ),
    }


def _by_entries(maker: _Maker) -> dict[str, Case]:
    whole = maker.entries()
    back = [*whole[:5], replace(whole[5], at=whole[3].at), *whole[6:]]
    publishing = EntryDraft(
        kind=EntryKind.RELEASE,
        key="release/1/first",
        body={"step": "published", "number": 1, "manifest_sha256": "1" * 64},
    )
    again = replace(publishing, key="release/1/again", body={**publishing.body, "manifest_sha256": "2" * 64})
    twice = [*whole[:10], *(LogEntry(at=whole[9].at, draft=draft) for draft in (publishing, again))]
    training = "ab" * 8
    about = {"programme_id": training, "document_sha256": "3" * 64}
    failed = EntryDraft(kind=EntryKind.VERDICT, key="verdict/1", body={**about, "verdict": "fail"})
    signed = EntryDraft(kind=EntryKind.OVERRIDE, key="override/1", body=about)
    let_out = replace(publishing, body={**publishing.body, "programme_id": training})
    at = whole[9].at
    kept_back = [*whole[:10], *(LogEntry(at=at, draft=draft) for draft in (failed, let_out))]
    overridden = [*whole[:9], *(LogEntry(at=at, draft=draft) for draft in (failed, signed, let_out))]
    key_twice = [*whole[:7], replace(whole[2], at=whole[7].at), *whole[8:]]
    renamed = [LogEntry(at=maker.began, draft=maker.opening(coop_id="ba" * 16)), *whole[1:]]
    wrong = renamed[0].document().replace(b"highstreet/log/coop/" + b"ba" * 16, maker.origin.encode())
    return {
        "clock-back": Case(
            about="entry 6 is dated before entry 5; the log's own key signed it",
            files=maker.files(back, mill=None, oak=None),
            exit=1,
            first=6,
            last=6,
        ),
        "dated-back": Case(
            about="a witness saw the log end with entry 8 hours after entry 9 is dated",
            files=maker.files(whole, mill=maker.kept(whole, "mill", (8,), after=7200), oak=None),
            exit=1,
            first=9,
            last=9,
            cosigned=_saw(maker, mill=8, oak=None),
        ),
        "dated-back-an-hour": Case(
            about="a witness saw the log end with entry 8 an hour after entry 9 is dated: clocks differ",
            files=maker.files(whole, mill=maker.kept(whole, "mill", (8,), after=3660), oak=None),
            cosigned=_saw(maker, mill=8, oak=None),
        ),
        "dated-back-a-second-more": Case(
            about="a witness saw the log end with entry 8 an hour and a second after entry 9 is dated",
            files=maker.files(whole, mill=maker.kept(whole, "mill", (8,), after=3661), oak=None),
            exit=1,
            first=9,
            last=9,
            cosigned=_saw(maker, mill=8, oak=None),
        ),
        "dated-ahead-an-hour": Case(
            about="a witness saw entry 8 an hour before it is dated: clocks differ",
            files=maker.files(whole, mill=maker.kept(whole, "mill", (8,), after=-3600), oak=None),
            cosigned=_saw(maker, mill=8, oak=None),
        ),
        "dated-ahead-a-second-more": Case(
            about="a witness saw entry 8 an hour and a second before it is dated",
            files=maker.files(whole, mill=maker.kept(whole, "mill", (8,), after=-3601), oak=None),
            exit=1,
            first=8,
            last=8,
            cosigned=_saw(maker, mill=8, oak=None),
        ),
        "kept-back-and-published": Case(
            about="the verdict on release 1 was fail; no override of its training stands before it",
            files=maker.files(kept_back, mill=None, oak=None),
            exit=1,
            first=12,
            last=12,
        ),
        "overridden-and-published": Case(
            about="the verdict on release 1 was fail; an override of its training stands before it",
            files=maker.files(overridden, mill=None, oak=None),
            exit=0,
        ),
        "release-twice": Case(
            about="release 1 was published twice; the log's own key signed both",
            files=maker.files(twice, mill=None, oak=None),
            exit=1,
            first=12,
            last=12,
        ),
        "key-twice": Case(
            about="entry 8 is under the key of entry 3; the log's own key signed it",
            files=maker.files(key_twice, mill=None, oak=None),
            exit=1,
            first=8,
            last=8,
        ),
        "another-name": Case(
            about="the opening calls the log otherwise than its co-op's id says",
            files=maker.files(whole, entries=wrong + b"\n" + maker.lines(whole[1:]), mill=None, oak=None),
            exit=1,
            first=1,
            last=1,
        ),
    }


def _unusable(maker: _Maker) -> dict[str, Case]:
    whole = maker.entries()
    lines = maker.kept(whole, "mill", (3, 6, 9, 12)).split(b"\n")
    lines[1] = lines[1].replace(b"note", b"nose", 1)
    store = maker.names["mill"]
    foreign = Checkpoint(origin=store, size=3, root=bytes(32)).sign(maker.keys["mill"]).note()
    own = witness_key(maker.origin, public_key_bytes(maker.keys["log"]))
    good, false = maker.note(whole, 6, "mill"), maker.note(whole, 6, "mill", is_false=True)
    note = maker.note(whole, 12)
    by_itself = cosign_text(note.text, name=own.name, private_key=maker.keys["log"], at=whole[-1].at + 5)
    return {
        "a-damaged-line": Case(
            about="line 2 of a witness's file is none; the others fit",
            files=maker.files(whole, mill=b"\n".join(lines)),
            exit=2,
            cosigned=_saw(maker),
        ),
        "a-false-cosignature": Case(
            about="the root fits, the witness's signature does not",
            files=maker.files(
                whole, mill=to_witness_file([maker.note(whole, 6, "mill", is_false=True)]), oak=None
            ),
            exit=2,
        ),
        "of-another-log": Case(
            about="what was brought is a checkpoint of a store's log",
            files=maker.files(whole, mill=foreign.to_bytes()),
            exit=2,
            cosigned=_saw(maker, mill=None),
        ),
        "another-key-that-nobody-known-saw": Case(
            about="a stranger's checkpoint in the log's name was brought; the log's key was given",
            files=maker.files(whole, mill=maker.note(whole, 6, key="stranger").to_bytes()),
            exit=2,
            cosigned=_saw(maker, mill=None),
        ),
        "no-key": Case(about="the file of keys is empty", files=maker.files(whole, keys=b""), exit=2),
        "two-lines-of-one-witness": Case(
            about="of two cosignatures of one key the first does not verify, and the second would",
            files=maker.files(
                whole,
                mill=to_witness_file([replace(good, signatures=(*false.signatures, good.signatures[1]))]),
                oak=None,
            ),
            exit=2,
        ),
        "more-behind-a-note": Case(
            about="an empty line follows a single note that fits",
            files=maker.files(whole, mill=good.to_bytes() + b"\n", oak=None),
            exit=2,
        ),
        "half-a-line-of-a-witness": Case(
            about="half a line follows the lines of a witness's file",
            files=maker.files(whole, mill=maker.kept(whole, "mill", (3, 6)) + b'{"note":"hi', oak=None),
            exit=2,
            cosigned=_saw(maker, mill=6, oak=None),
        ),
        "its-own-witness": Case(
            about="the log cosigned its own checkpoint: it fits, and is no witness",
            files=maker.files(
                whole,
                mill=to_witness_file([replace(note, signatures=(*note.signatures, by_itself))]),
                oak=None,
                keys=maker.keyring() + own.to_text().encode() + b"\n",
            ),
        ),
    }


def _damaged_and_tampered(maker: _Maker) -> dict[str, Case]:
    whole = maker.entries()
    return {
        "edited-beside-junk": Case(
            about="entry 7 was edited, and the checkpoint beside it is junk, which hides nothing",
            files=maker.files(
                _edited(whole, 7), heads=maker.heads(whole), checkpoint=b"junk\n", mill=None, oak=None
            ),
            exit=1,
            first=7,
            last=7,
        ),
        "no-entries": Case(
            about="the entries are gone; the heads are there",
            files=maker.files(whole, entries=None, mill=None, oak=None),
            exit=1,
            first=1,
            last=1,
        ),
    }


def expectations(cases: Mapping[str, Case]) -> bytes:
    """Return the file that says what a verifier has to say of each folder."""
    return (json.dumps({name: case.expected() for name, case in cases.items()}, indent=1) + "\n").encode()
