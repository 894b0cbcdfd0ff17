"""Which kind of export a file is, told by its header row alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from highstreet.client.consent_signals.signal_file import is_signal_table
from highstreet.client.errors import FileNotUnderstoodError
from highstreet.client.importing import generic, shopify
from highstreet.client.importing.profile import Profile
from highstreet.client.importing.source import TextSource
from highstreet.client.importing.table import Header, read_header

__all__ = ["PROFILES", "RecognisedFile", "recognise"]

#: Every kind of export that is known. A new kind is one module and one entry here.
PROFILES: tuple[Profile, ...] = (*generic.PROFILES, *shopify.PROFILES)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognisedFile:
    """A file together with what it is."""

    source: TextSource
    header: Header
    profile: Profile

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.source.path


def recognise(source: TextSource) -> RecognisedFile:
    """Tell a file's kind by its column names, in any order, with optional ones missing.

    Raises:
        FileNotUnderstoodError: no known kind has these columns; says which are missing for the nearest kind.
    """
    header = read_header(source, is_known=lambda names: any(p.fits(names) for p in PROFILES))
    names = frozenset(header.names)
    fitting = [profile for profile in PROFILES if profile.fits(names)]
    if not fitting:
        raise _unknown(source, names)
    best = max(fitting, key=lambda profile: len((profile.required | profile.optional) & names))
    twice = sorted(n for n in best.required | best.optional if header.names.count(n) > 1)
    if twice:
        raise FileNotUnderstoodError(
            f"{source.path.name} has the column {twice[0]} twice.",
            next_step="Remove or rename the one that is not meant.",
        )
    return RecognisedFile(source=source, header=header, profile=best)


def _unknown(source: TextSource, names: frozenset[str]) -> FileNotUnderstoodError:
    if is_signal_table(source.path.name, names):
        return FileNotUnderstoodError(
            f"{source.path.name} holds what people agreed to in another tool, not this shop's data.",
            next_step="Give it to `highstreet store consent import`, which says what it means here.",
        )
    nearest = max(PROFILES, key=lambda profile: len(profile.required & names) / len(profile.required))
    missing = sorted(nearest.required - names)
    # With less than half of them it is most likely something else, which must not be bent into this.
    if 2 * len(missing) > len(nearest.required):
        some = "none" if len(missing) == len(nearest.required) else "too few"
        return FileNotUnderstoodError(
            f"{source.path.name} has {some} of the columns that are known here.",
            next_step="Its first line must name the columns, for example: order_id,ordered_at,customer_id,"
            "product_id,quantity.",
        )
    return FileNotUnderstoodError(
        f"{source.path.name} looks like {nearest.plain_words}, but lacks the column"
        f"{'s' if len(missing) > 1 else ''} {', '.join(missing)}.",
        next_step="Export it again with these columns, or rename the columns that hold them.",
    )
