"""The verifier of a log: re-hashes every entry and names the first that does not fit, and what to do.

It takes bytes and keys and nothing on trust: not the log's own hashes, not the program that wrote it. Of what
somebody without the log's key changed, the signed heads name the entry, one head for every append. Of what
the holder of the key changed, only witnesses can tell: checkpoints that others cosigned before. They name
the stretch between the last one that still fits and the first that does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from highstreet.audit.checkpoints import Checkpoint, LogHead, log_key, witness_key
from highstreet.audit.errors import LogEntryError, SignedNoteError
from highstreet.audit.evidence import Brought, Evidence, Unusable
from highstreet.audit.log_entries import EntryKind, LogEntry
from highstreet.audit.log_times import dated_after, dated_before
from highstreet.audit.logged_releases import LoggedReleases
from highstreet.audit.merkle import EMPTY_ROOT, MerkleTree, leaf_hash
from highstreet.audit.signed_notes import (
    NoteKey,
    NoteKeyKind,
    SignedNote,
    verify_cosignature,
    verify_signature,
)

__all__ = ["Finding", "LogMaterial", "LogVerdict", "verify_log"]

_KEEP = "Keep this copy as it is, with the witnesses' files, and show both to the other members."
_NEWEST = "Get the newest copy there is, from its owner or from a backup, and verify that."
_OTHER_KEY = (
    "A checkpoint of a log of this name, but signed with another key than this opening names, was brought."
)
_BRING = "Bring what witnesses kept of this log. If they did, the log is another, from its first entry on."
_COMPARE = "Compare it with another copy; what differs from there on cannot be relied on."


@dataclass(frozen=True, slots=True, kw_only=True)
class LogMaterial:
    """A log as somebody got hold of it; nothing of it is believed.

    Attributes:
        entries: lines without their ends.
        heads: lines without their ends; None of a log that was downloaded, which its checkpoints cover.
        torn_bytes: what follows the last whole line of either file.
        checkpoints: what came with it.
    """

    entries: Sequence[bytes]
    heads: Sequence[bytes] | None
    torn_bytes: int = 0
    checkpoints: Evidence = field(default_factory=Evidence)


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
        unusable: what was brought and could not be held against the log.
    """

    key: NoteKey | None
    is_key_given: bool
    size: int
    root: bytes
    heads: int
    cosigned: dict[str, int]
    unknown_witnesses: tuple[str, ...]
    findings: tuple[Finding, ...]
    unusable: tuple[Unusable, ...]

    @property
    def holds(self) -> bool:
        """Whether everything that there is was used, and fits."""
        return not self.findings and not self.unusable


def verify_log(
    material: LogMaterial, *, keys: Sequence[NoteKey] = (), witnessed: Evidence | None = None
) -> LogVerdict:
    """Check a log from its bytes alone.

    Args:
        material: the log.
        keys: of logs and witnesses, known from elsewhere. Where the log's own is not among them the one in
            its first entry is used: then the log is shown to be of one piece, not whose it is.
        witnessed: checkpoints that witnesses kept, of this log.
    """
    return _Verification(material, keys, witnessed or Evidence()).verdict()


@dataclass(frozen=True, slots=True)
class _Seen:
    """A checkpoint that the log signed and somebody kept.

    Attributes:
        size: number of entries.
        fits: whether the log still holds them.
        witnesses: who cosigned it; of those without a key that is known, only who they say they are.
        times: when the witnesses with known keys did, in unix seconds.
    """

    size: int
    fits: bool
    witnesses: frozenset[str]
    times: tuple[int, ...]


def _views(seen: Iterable[_Seen]) -> dict[str, list[_Seen]]:
    """Return what each witness saw; a checkpoint that nobody cosigned stands by itself."""
    views = dict[str, list[_Seen]]()
    for number, each in enumerate(seen):
        for name in each.witnesses or {f" {number}"}:
            views.setdefault(name, []).append(each)
    return views


def _is_under_another_key(note: SignedNote, key: NoteKey) -> bool:
    """Whether a note of this log's name is signed under it, but with no key that is this log's."""
    as_witness = witness_key(key.name, key.public_key)
    lines = [line for line in note.signatures if line.name == key.name and not line.is_by(as_witness)]
    return bool(lines) and not any(line.is_by(key) for line in lines)


class _Verification:
    """One verification; collects what it finds."""

    def __init__(self, material: LogMaterial, keys: Sequence[NoteKey], witnessed: Evidence) -> None:
        self._material = material
        self._keys = tuple(keys)
        self._witnesses: list[NoteKey] = []
        self._findings: list[Finding] = []
        self._tree = MerkleTree(map(leaf_hash, material.entries))
        self._times: list[int | None] = []
        self._unknown: set[str] = set()
        self._key: NoteKey | None = None
        self._is_given = False
        self._witnessed = witnessed
        self._unusable = [*material.checkpoints.unusable, *witnessed.unusable]
        self._heads = 0
        self._cosigned: dict[str, int] = {}

    def verdict(self) -> LogVerdict:
        self._check_entries()
        if self._key is not None:
            witnessed = self._check_witnessed(self._key)
            if self._material.heads is None:
                self._refuse_uncovered(witnessed)
            else:
                self._check_heads(self._key, self._material.heads)
        self._refuse_torn()
        findings = sorted(dict.fromkeys(self._findings), key=lambda each: (each.last, each.first))
        return LogVerdict(
            key=self._key,
            is_key_given=self._is_given,
            size=len(self._tree),
            root=self._tree.root() if len(self._tree) else EMPTY_ROOT,
            heads=self._heads,
            cosigned=dict(sorted(self._cosigned.items())),
            unknown_witnesses=tuple(sorted(self._unknown)),
            findings=tuple(findings),
            unusable=tuple(dict.fromkeys(self._unusable)),
        )

    def _find(self, first: int, what: str, next_step: str = _COMPARE, *, last: int | None = None) -> None:
        self._findings.append(Finding(first=first, last=last or first, what=what, next_step=next_step))

    def _check_entries(self) -> None:
        """Read every entry; times never go back and no key comes twice."""
        if not self._material.entries:
            self._find(1, "The log holds no entry.", _NEWEST)
        before, keys, releases = 0, dict[str, int](), LoggedReleases()
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
            for what, next_step in releases.complaints(number, entry):
                self._find(number, what, f"{next_step} {_KEEP}")
            if (number == 1) != (entry.draft.kind is EntryKind.OPENING):
                self._find(number, "Every log has one opening, its first entry.")
            if number == 1:
                self._choose_key(entry)

    def _choose_key(self, opening: LogEntry) -> None:
        """Take the log's key: the one given for its name, else the one it says itself."""
        body = opening.draft.body
        if opening.draft.kind is not EntryKind.OPENING:
            return
        own = log_key(str(body["origin"]), bytes.fromhex(str(body["public_key"])))
        given = [key for key in self._keys if key.kind is NoteKeyKind.LOG]
        self._key, self._is_given = own, own in given
        self._witnesses = [
            key
            for key in self._keys
            if key.kind is NoteKeyKind.WITNESS and key.public_key != own.public_key and key.name != own.name
        ]
        if given and not self._is_given:
            self._find(1, f"It is the log of {own.name} under a key that is not the one given.", _NEWEST)

    def _check_heads(self, key: NoteKey, heads: Sequence[bytes]) -> None:
        """Compare the tree with each signed head up to the first that does not fit; the last covers all."""
        fitting = 0
        for line, data in enumerate(heads, start=1):
            try:
                head = LogHead.from_line(data, key.name).verify(key)
            except SignedNoteError as error:
                self._find(fitting + 1, f"Line {line} of the heads, which should cover it: {error.what}")
                return
            if head.size <= fitting:
                self._find(fitting + 1, f"Line {line} of the heads is not larger than the one before.")
                return
            if head.size > len(self._tree):
                what = f"It is missing: {head.size} entries were signed."
                self._find(len(self._tree) + 1, what, _NEWEST, last=head.size)
                return
            if self._tree.root(head.size) != head.root:
                self._find(fitting + 1, "It, or one up to there, is not what was signed.", last=head.size)
                return
            fitting = head.size
            self._heads += 1
        self._refuse_uncovered(fitting)

    def _refuse_uncovered(self, covered: int) -> None:
        """Refuse entries that nobody signed."""
        if covered < len(self._tree):
            self._find(
                covered + 1,
                "No signed head covers it.",
                "A process died while it wrote, or somebody added it. The owner opens the log, which drops "
                "it, and verifies again.",
                last=len(self._tree),
            )

    def _refuse_torn(self) -> None:
        """Refuse what follows the last whole line of a file."""
        if self._material.torn_bytes:
            self._find(
                len(self._tree) + 1,
                f"{self._material.torn_bytes} bytes follow the last whole line.",
                "A process died while it wrote, or the file was cut. The owner opens the log and verifies "
                "again.",
            )

    def _check_witnessed(self, key: NoteKey) -> int:
        """Compare with what others kept, each witness by itself; return the largest size that fits."""
        seen = [
            each
            for brought in (*self._material.checkpoints.notes, *self._witnessed.notes)
            if (each := self._read(brought, key)) is not None
        ]
        for name, view in _views(seen).items():
            size = self._check_view(view)
            if size and name in {known.name for known in self._witnesses}:
                self._cosigned[name] = max(size, self._cosigned.get(name, 0))
        fitting = [each for each in seen if each.fits]
        self._check_times(fitting)
        return max((each.size for each in fitting), default=0)

    def _check_view(self, view: Sequence[_Seen]) -> int:
        """Name the stretch in which the log parted from what one witness saw; return how far they agree.

        A witness never signs a smaller size after a larger one, nor two roots for one size: what it saw is
        one log. What different witnesses saw need not be, so that one who agrees says nothing for another.
        """
        fitting = 0
        for each in sorted(view, key=lambda each: (each.size, each.fits)):
            if each.fits:
                fitting = each.size
            elif each.size > len(self._tree):
                what = f"It is missing: others saw {each.size} entries. The log was rolled back."
                self._find(len(self._tree) + 1, what, _KEEP, last=each.size)
                break
            else:
                self._find(
                    fitting + 1,
                    "It, or one up to there, is not what the log showed to others, signed by its own key: it "
                    "was forked or written anew.",
                    _KEEP,
                    last=each.size,
                )
                break
        return fitting

    def _read(self, brought: Brought, key: NoteKey) -> _Seen | None:
        """Read a checkpoint that the log's key signed; say of any other what it is."""
        try:
            checkpoint = Checkpoint.from_text(brought.note.text)
            if checkpoint.origin != key.name:
                raise SignedNoteError(f"It is of another log: {checkpoint.origin}.")
            if _is_under_another_key(brought.note, key):
                self._refuse_other_key(brought)
                return None
            verify_signature(brought.note, key)
        except SignedNoteError as error:
            self._unusable.append(Unusable(where=brought.where, why=error.what))
            return None
        size = checkpoint.size
        names, times = self._cosigners(brought, key)
        is_same = size <= len(self._tree) and self._tree.root(size) == checkpoint.root
        return _Seen(size=size, fits=is_same, witnesses=names, times=times)

    def _refuse_other_key(self, brought: Brought) -> None:
        """Say of a checkpoint under another key what it shows: anybody can write one in a log's name."""
        if self._is_given and not any(self._is_cosigned(brought.note, key) for key in self._witnesses):
            raise SignedNoteError(
                "It is signed with another key than the log's, which was given, and no witness whose key was "
                "given cosigned it."
            )
        self._find(1, _OTHER_KEY, _BRING)

    def _is_cosigned(self, note: SignedNote, key: NoteKey) -> bool:
        try:
            verify_cosignature(note, key)
        except SignedNoteError:
            return False
        return True

    def _cosigners(self, brought: Brought, own: NoteKey) -> tuple[frozenset[str], tuple[int, ...]]:
        """Return who cosigned, and when those did whose keys are known; the log itself is no witness."""
        names, times = set[str](), list[int]()
        for line in brought.note.signatures:
            if line.name == own.name:
                continue
            known = [key for key in self._witnesses if line.is_by(key)]
            if not known:
                self._unknown.add(line.name)
                names.add(f"{line.name} {line.key_id.hex()}")
            for key in known:
                try:
                    times.append(verify_cosignature(brought.note, key))
                    names.add(key.name)
                except SignedNoteError as error:
                    why = f"{error.what} Its log's signature does, so it is used without the witness."
                    self._unusable.append(Unusable(where=brought.where, why=why))
        return frozenset(names), tuple(times)

    def _check_times(self, seen: Sequence[_Seen]) -> None:
        """Hold entries' times against those at which witnesses saw the log end."""
        stamps = [(each.size, at) for each in seen for at in each.times]
        clocks = f"Compare both clocks. {_KEEP}"
        for number in dated_after(self._times, stamps):
            self._find(number, "It is dated after a witness saw it.", clocks)
        early = dated_before(self._times, stamps)
        if early is not None:
            what = "It is dated before a witness saw the log without it: a clock was set back."
            self._find(early, what, clocks)
