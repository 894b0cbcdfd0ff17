"""Groups that are too small, merged with their neighbours or withheld, by what was released of them alone."""

from __future__ import annotations

from collections.abc import Callable

from highstreet.models.customer_groups import UNKNOWN, GroupAttribute

__all__ = ["merged_cells"]

_Groups = list[tuple[str, ...]]


def merged_cells(
    attribute: GroupAttribute,
    *,
    is_enough: Callable[[tuple[str, ...]], bool],
    size: Callable[[tuple[str, ...]], float],
) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]:
    """Merge an attribute's groups until each is large enough; return those held and those withheld.

    Known groups only are merged. Where the attribute is ordered, the smallest group that is not enough goes
    together with the smaller of its neighbours, again and again; else all that are not enough go together,
    and with the smallest other one if that is still not enough. What is not enough even then, and unknown
    customers where they are not enough, are withheld. The rule looks at released numbers only.

    Args:
        attribute: whose cells.
        is_enough: whether some cells together surely have enough customers.
        size: about how many customers they have.
    """
    groups: _Groups = [(cell,) for cell in attribute.cells]
    merge = _merge_neighbours if attribute.is_ordered else _merge_rest
    groups = [*merge(groups, is_enough, size), (UNKNOWN,)]
    held = tuple(cells for cells in groups if is_enough(cells))
    return held, tuple(cells for cells in groups if not is_enough(cells))


def _merge_neighbours(
    groups: _Groups,
    is_enough: Callable[[tuple[str, ...]], bool],
    size: Callable[[tuple[str, ...]], float],
) -> _Groups:
    merged = list(groups)
    while len(merged) > 1 and not all(is_enough(cells) for cells in merged):
        small = min((place for place, cells in enumerate(merged) if not is_enough(cells)),
                    key=lambda place: size(merged[place]))  # fmt: skip
        beside = [place for place in (small - 1, small + 1) if 0 <= place < len(merged)]
        other = min(beside, key=lambda place: size(merged[place]))
        first = min(small, other)
        merged[first : first + 2] = [merged[first] + merged[first + 1]]
    return merged


def _merge_rest(
    groups: _Groups,
    is_enough: Callable[[tuple[str, ...]], bool],
    size: Callable[[tuple[str, ...]], float],
) -> _Groups:
    held = [cells for cells in groups if is_enough(cells)]
    rest = tuple(cell for cells in groups if cells not in held for cell in cells)
    if not rest:
        return held
    if held and not is_enough(rest):
        smallest = min(held, key=size)
        held.remove(smallest)
        rest = smallest + rest
    return [*held, rest]
