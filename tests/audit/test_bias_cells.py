"""Groups that are too small are merged with neighbours or withheld; every cell stays in exactly one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from highstreet.audit.bias_cells import merged_cells
from highstreet.models.customer_groups import ATTRIBUTES

AGES = ATTRIBUTES["age_band"]
LANGUAGES = ATTRIBUTES["language"]


def _merge(
    sizes: list[float], minimum: float, attribute: str = "age_band", unknown: float = 0.0
) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]:
    of = ATTRIBUTES[attribute]
    by_cell = dict(zip(of.cells, sizes, strict=True)) | {"unknown": unknown}

    def size(cells: tuple[str, ...]) -> float:
        return sum(by_cell[cell] for cell in cells)

    return merged_cells(of, is_enough=lambda cells: size(cells) >= minimum, size=size)


def test_neighbours_are_merged_the_smallest_first_with_the_smaller_neighbour() -> None:
    held, withheld = _merge([30, 60, 20, 55, 70, 10], 50, unknown=50)
    # 65_plus (10) goes to its only neighbour 55_64; 35_44 (20) to 45_54 (55), not to 25_34 (60); under_25 on.
    assert held == (("under_25", "25_34"), ("35_44", "45_54"), ("55_64", "65_plus"), ("unknown",))
    assert withheld == ()


def test_neighbours_are_merged_until_all_are_enough_or_one_is_left() -> None:
    held, withheld = _merge([1, 1, 1, 1, 1, 1], 50)
    assert (held, withheld) == ((), (AGES.cells, ("unknown",)))
    assert _merge([9, 9, 9, 9, 9, 9], 54)[0] == (AGES.cells,)
    held, _ = _merge([49, 49, 49, 49, 49, 49], 50)
    assert all(len(cells) >= 2 for cells in held)
    assert _merge([50] * 6, 50)[0] == tuple((cell,) for cell in AGES.cells)


def test_the_smallest_of_several_small_groups_goes_first() -> None:
    held, _ = _merge([10, 10, 10, 60, 30, 60], 50)
    # The first three are together (30) before 55_64 (30) finds a neighbour.
    assert held == (("under_25", "25_34", "35_44", "45_54"), ("55_64", "65_plus"))


def test_a_small_group_that_is_enough_is_left_alone_beside_a_larger_one_that_is_not() -> None:
    """Of merged groups the noise is larger: two of 95 are not enough here, and one of 60 is."""
    sizes = dict(zip(AGES.cells, (45, 50, 200, 60, 300, 300), strict=True)) | {"unknown": 0}

    def size(cells: tuple[str, ...]) -> float:
        return sum(sizes[cell] for cell in cells)

    held, _ = merged_cells(AGES, is_enough=lambda cells: size(cells) >= 50 * len(cells), size=size)
    assert held == (("under_25", "25_34", "35_44"), ("45_54",), ("55_64",), ("65_plus",))


def test_groups_without_an_order_are_put_together() -> None:
    held, withheld = _merge([60, 70, 30, 30, 80, 1, 1, 1, 90], 50, "language")
    assert held == (("de",), ("en",), ("it",), ("other",), ("es", "fr", "nl", "pl", "pt"))
    assert withheld == (("unknown",),)
    held, _ = _merge([60, 70, 10, 10, 80, 1, 1, 1, 90], 50, "language")
    # Together they are 23, so the smallest that was enough goes with them.
    assert held == (("en",), ("it",), ("other",), ("de", "es", "fr", "nl", "pl", "pt"))
    assert _merge([1] * 9, 50, "language") == ((), (LANGUAGES.cells, ("unknown",)))
    assert _merge([60] * 9, 50, "language")[0] == tuple((cell,) for cell in LANGUAGES.cells)


@given(
    st.sampled_from(["age_band", "language", "place"]),
    st.lists(st.floats(-20, 200), min_size=10, max_size=10),
    st.floats(1, 300),
)
def test_merging_keeps_every_cell_once_and_holds_none_that_is_too_small(
    attribute: str, sizes: list[float], minimum: float
) -> None:
    cells = ATTRIBUTES[attribute].cells
    held, withheld = _merge(sizes[: len(cells)], minimum, attribute, unknown=sizes[-1])
    named = [cell for group in (*held, *withheld) for cell in group]
    assert sorted(named) == sorted((*cells, "unknown"))
    by_cell = dict(zip(cells, sizes, strict=False)) | {"unknown": sizes[-1]}
    assert all(sum(by_cell[cell] for cell in group) >= minimum - 1e-9 for group in held)
    assert all("unknown" not in group or group == ("unknown",) for group in (*held, *withheld))
    if ATTRIBUTES[attribute].is_ordered:
        for group in held:
            if group != ("unknown",):
                first = cells.index(group[0])
                assert group == cells[first : first + len(group)]
