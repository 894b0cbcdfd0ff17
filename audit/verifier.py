"""The verifier of a log: re-hashes every entry and names the first that does not fit, and what to do.

It takes bytes and keys and nothing on trust: not the log's own hashes, not the program that wrote it. Of what
somebody without the log's key changed, the signed heads name the entry, one head for every append. Of what
the holder of the key changed, only witnesses can tell: checkpoints that others cosigned before. They name
the stretch between the last one that still fits and the first that does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from highstreet.audit.checkpoints import Checkpoint, LogHead, log_key
from highstreet.audit.errors import LogEntryError, SignedNoteError
from highstreet.audit.log_entries import EntryKind, LogEntry
from highstreet.audit.merkle import EMPTY_ROOT, MerkleTree, leaf_hash
from highstreet.audit.signed_notes import NoteKey, NoteKeyKind, SignedNote, verify_cosignature

__all__ = ["CLOCK_TOLERANCE_SECONDS", "Finding", "LogMaterial", "LogVerdict", "verify_log"]

#: How far a witness's clock may be from the log's before an entry's time counts as wrong.
CLOCK_TOLERANCE_SECONDS = 3600

_KEEP = "Keep this copy as it is, with the witnesses' files, and show both to the other members."
_NEWEST = "Get the newest copy there is, from its owner or from a backup, and verify that."
_COMPARE = "Compare it with another copy; what differs from there on cannot be relied on."


@dataclass(frozen=True, slots=True, kw_only=True)
class LogMaterial:
    """A log as somebody got hold of it; nothing of it is believed.

    Attributes:
        entries: lines without their ends.
        heads: lines without their ends; of a log that was downloaded there may be none.
        torn_bytes: what follows the last whole line of either file.
        checkpoints: signed notes that came with it.
    """

    entries: Sequence[bytes]
    heads: Sequence[bytes] = ()
    torn_bytes: int = 0
    checkpoints: Sequence[SignedNote] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that does not fit.

    Attributes:
        first: the first entry it is about, counted from 1, which is also its line in the file.
        last: the last entry that could be the one; the same where it is known exactly.
        what: one sentence.
        next_step: one sentence.
    """

    first: int
    last: int
    what: str
    next_step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogVerdict:
    """What a verification came to.

    Attributes:
        key: the log's; None where not even that can be told.
        is_key_given: whether it was given, not only read from the log itself.
        size: number of entries looked at.
        root: of the tree over them.
        heads: how many signed heads covered them.
        cosigned: for every witness whose key was given, up to which size its checkpoints fit.
        unknown_witnesses: names of others under those checkpoints.
        findings: what does not fit; empty where all does. First comes that by whose last entry something is
            surely wrong the earliest: an entry known exactly before a stretch that it lies in.
    """

    key: NoteKey | None
    is_key_given: bool
    size: int
    root: bytes
    heads: int
    cosigned: dict[str, int]
    unknown_witnesses: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Whether everything fits."""
        return not self.findings


def verify_log(
    material: LogMaterial, *, keys: Sequence[NoteKey] = (), witnessed: Sequence[SignedNote] = ()
) -> LogVerdict:
    """Check a log from its bytes alone.

    Args:
        material: the log.
        keys: of logs and witnesses, known from elsewhere. Where the log's own is not among them the one in
            its first entry is used: then the log is shown to be of one piece, not whose it is.
        witnessed: checkpoints that witnesses kept, of this log.
    """
    return _Verification(material, keys, witnessed).verdict()


@dataclass(frozen=True, slots=True)
class _Seen:
    """A checkpoint that somebody kept, with the times at which witnesses with known keys cosigned it."""

    checkpoint: Checkpoint
    times: tuple[tuple[str, int], ...]


class _Verification:
    """One verification; collects what it finds."""

    def __init__(
        self, material: LogMaterial, keys: Sequence[NoteKey], witnessed: Sequence[SignedNote]
    ) -> None:
        self._material = material
        self._keys = tuple(keys)
        self._findings: list[Finding] = []
        self._tree = MerkleTree(map(leaf_hash, material.entries))
        self._times: list[int | None] = []
        self._unknown: set[str] = set()
        self._key: NoteKey | None = None
        self._is_given = False
        self._witnessed = tuple(witnessed)
        self._heads = 0
        self._cosigned: dict[str, int] = {}

    def verdict(self) -> LogVerdict:
        self._check_entries()
        if self._key is not None:
            covered = max(self._check_heads(self._key), self._check_witnessed(self._key))
            self._check_tail(covered)
        self._findings.sort(key=lambda each: (each.last, each.first))
        return LogVerdict(
            key=self._key,
            is_key_given=self._is_given,
            size=len(self._tree),
            root=self._tree.root() if len(self._tree) else EMPTY_ROOT,
            heads=self._heads,
            cosigned=dict(sorted(self._cosigned.items())),
            unknown_witnesses=tuple(sorted(self._unknown)),
            findings=tuple(self._findings),
        )

    def _find(self, first: int, what: str, next_step: str = _COMPARE, *, last: int | None = None) -> None:
        self._findings.append(Finding(first=first, last=last or first, what=what, next_step=next_step))

    def _check_entries(self) -> None:
        """Read every entry; times never go back and no key comes twice."""
        if not self._material.entries:
            self._find(1, "The log holds no entry.", _NEWEST)
        before, keys, published = 0, dict[str, int](), dict[object, int]()
        for number, line in enumerate(self._material.entries, start=1):
            try:
                entry = LogEntry.from_document(line)
            except LogEntryError as error:
                self._find(number, error.what)
                self._times.append(None)
                continue
            self._times.append(entry.at)
            if entry.at < before:
                self._find(
                    number, "It is dated before the entry in front of it: a clock was set back.", _KEEP
                )
            before = max(before, entry.at)
            if keys.setdefault(entry.draft.key, number) != number:
                self._find(number, f"It is under the key of entry {keys[entry.draft.key]}, which comes once.")
            self._refuse_published_twice(number, entry, published)
            if (number == 1) != (entry.draft.kind is EntryKind.OPENING):
                self._find(number, "Every log has one opening, its first entry.")
            if number == 1:
                self._choose_key(entry)

    def _refuse_published_twice(self, number: int, entry: LogEntry, published: dict[object, int]) -> None:
        """Each release has one manifest: two for one number would be for different stores."""
        body = entry.draft.body
        if entry.draft.kind is not EntryKind.RELEASE or body["step"] != "published":
            return
        first = published.setdefault(body["number"], number)
        if first != number:
            self._find(
                number,
                f"It publishes release {body['number']}, as entry {first} did, with another manifest.",
                "Ask other members which of the two their stores use: `highstreet store promise`. " + _KEEP,
            )

    def _choose_key(self, opening: LogEntry) -> None:
        """Take the log's key: the one given for its name, else the one it says itself."""
        body = opening.draft.body
        if opening.draft.kind is not EntryKind.OPENING:
            return
        own = log_key(str(body["origin"]), bytes.fromhex(str(body["public_key"])))
        given = [key for key in self._keys if key.kind is NoteKeyKind.LOG]
        self._key, self._is_given = own, own in given
        if given and not self._is_given:
            self._find(1, f"It is the log of {own.name} under a key that is not the one given.", _NEWEST)

    def _check_heads(self, key: NoteKey) -> int:
        """Compare the tree with each signed head up to the first that it does not fit; return what fits."""
        fitting = 0
        for line, head in self._read_heads(key):
            size = head.checkpoint.size
            if size <= fitting:
                self._find(size, f"Line {line} of the heads is not larger than the one before.")
                break
            if size > len(self._tree):
                missing = len(self._tree) + 1
                self._find(missing, f"It is missing: {size} entries were signed.", _NEWEST, last=size)
                break
            if self._tree.root(size) != head.checkpoint.root:
                self._find(fitting + 1, "It, or one up to there, is not what was signed.", last=size)
                break
            fitting = size
            self._heads += 1
        return fitting

    def _read_heads(self, key: NoteKey) -> Iterator[tuple[int, LogHead]]:
        """Yield every head that the log's key signed; say which line is none, and stop there."""
        size = 0
        for line, data in enumerate(self._material.heads, start=1):
            try:
                head = LogHead.from_line(data, key.name)
                head.verify(key)
            except SignedNoteError as error:
                self._find(size + 1, f"Line {line} of the heads, which should cover it: {error.what}")
                return
            size = head.checkpoint.size
            yield line, head

    def _check_tail(self, covered: int) -> None:
        """Refuse what nobody signed: entries beyond all heads and checkpoints, and what follows the lines."""
        if covered < len(self._tree) and not self._findings:
            self._find(
                covered + 1,
                "No signed head covers it.",
                "A process died while it wrote, or somebody added it. The owner opens the log, which drops "
                "it, and verifies again.",
                last=len(self._tree),
            )
        if self._material.torn_bytes:
            self._find(
                len(self._tree) + 1,
                f"{self._material.torn_bytes} bytes follow the last whole line.",
                "A process died while it wrote, or the file was cut. The owner opens the log and verifies "
                "again.",
            )

    def _check_witnessed(self, key: NoteKey) -> int:
        """Compare with what others kept up to the first that does not fit; return what fits."""
        seen = sorted(self._seen(key), key=lambda each: each.checkpoint.size)
        fitting = 0
        for each in seen:
            size = each.checkpoint.size
            if size > len(self._tree):
                missing = len(self._tree) + 1
                self._find(
                    missing,
                    f"It is missing: others saw {size} entries. The log was rolled back.",
                    _KEEP,
                    last=size,
                )
                break
            if self._tree.root(size) != each.checkpoint.root:
                self._find(
                    fitting + 1,
                    "It, or one up to there, is not what the log showed to others, signed by its own key: it "
                    "was forked or written anew.",
                    _KEEP,
                    last=size,
                )
                break
            fitting = size
            for name, _ in each.times:
                self._cosigned[name] = size
        self._check_times([each for each in seen if each.checkpoint.size <= fitting])
        return fitting

    def _seen(self, key: NoteKey) -> Iterator[_Seen]:
        for note in (*self._material.checkpoints, *self._witnessed):
            try:
                checkpoint = Checkpoint.from_note(note, key)
                yield _Seen(checkpoint, tuple(self._cosigners(note, key)))
            except SignedNoteError as error:
                self._find(
                    1,
                    f"A checkpoint that was brought is not by this log: {error.what}",
                    "Bring what witnesses kept of this log. If they did, the log is another, or under "
                    "another key, from its first entry on.",
                )

    def _cosigners(self, note: SignedNote, own: NoteKey) -> Iterator[tuple[str, int]]:
        witnesses = [key for key in self._keys if key.kind is NoteKeyKind.WITNESS]
        for line in note.signatures:
            if line.is_by(own):
                continue
            known = [key for key in witnesses if line.is_by(key)]
            if not known:
                self._unknown.add(line.name)
            for key in known:
                yield key.name, verify_cosignature(note, key)

    def _check_times(self, seen: Sequence[_Seen]) -> None:
        """Hold entries' times against those at which witnesses saw the log end."""
        stamps = [(each.checkpoint.size, at) for each in seen for _, at in each.times]
        if not stamps:
            return
        self._check_not_after(stamps)
        self._check_not_before(stamps)

    def _check_not_after(self, stamps: Sequence[tuple[int, int]]) -> None:
        """No entry is dated after somebody saw it."""
        latest = dict[int, int]()
        for size, at in stamps:
            latest[size] = min(at, latest.get(size, at))
        bound: int | None = None
        for number in range(max(latest), 0, -1):
            stamp = latest.get(number)
            if stamp is not None:
                bound = stamp if bound is None else min(bound, stamp)
            written = self._times[number - 1]
            if written is not None and bound is not None and written > bound + CLOCK_TOLERANCE_SECONDS:
                self._find(number, "It is dated after a witness saw it.", "Compare both clocks. " + _KEEP)

    def _check_not_before(self, stamps: Sequence[tuple[int, int]]) -> None:
        """No entry is dated before somebody saw the log end in front of it."""
        newest = dict[int, int]()
        for size, at in stamps:
            newest[size] = max(at, newest.get(size, at))
        bound = 0
        for number, written in enumerate(self._times, start=1):
            bound = max(bound, newest.get(number - 1, 0))
            if written is not None and written < bound - CLOCK_TOLERANCE_SECONDS:
                self._find(
                    number,
                    "It is dated before a witness saw the log without it: a clock was set back.",
                    "Compare both clocks. " + _KEEP,
                )
                return
