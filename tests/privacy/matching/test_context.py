"""The matching each party knows on its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from highstreet.privacy.matching.errors import InvalidMatchingError


def test_there_is_one_holder_more_than_colluders_each_a_counted_member(made_up_matching):
    context = made_up_matching(n=6, c=2).context
    holders = context.holder_ids
    assert len(holders) == 3
    assert all(context.holder(one) is not None for one in holders)
    outsiders = [member.member_id for member in context.members if member.member_id not in holders]
    assert all(context.holder(one) is None for one in outsiders)
    for wrong in (
        holders[:2],
        (*holders, outsiders[0]),
        holders[::-1],
        (*holders[:2], "00" * 8),
        holders[:1] * 3,
    ):
        with pytest.raises(InvalidMatchingError):
            replace(context, holder_ids=wrong)


@pytest.mark.parametrize(
    "change",
    [
        {"coop_id": "ab"},
        {"matching_id": "EF" * 8},
        {"request_sha256": b"short"},
        {"colluders": -1},
        {"identifiers_per_store": 0},
        {"identifiers_per_store": 65_535},
    ],
)
def test_values_that_cannot_be_a_matchings_are_refused(made_up_matching, change):
    with pytest.raises(InvalidMatchingError):
        replace(made_up_matching().context, **change)


def test_the_hash_names_every_part(made_up_matching):
    made_up = made_up_matching(n=6)
    context = made_up.context
    other_holders = tuple(sorted(made_up.ids[2:4]))
    others = [
        replace(context, coop_id="cd" * 16),
        replace(context, matching_id="00" * 8),
        replace(context, request_sha256=bytes(32)),
        replace(context, members=made_up_matching(n=7).context.members),
        replace(context, holder_ids=other_holders),
        replace(context, identifiers_per_store=7),
    ]
    assert len({one.sha256() for one in (context, *others)}) == 7
    assert replace(context).sha256() == context.sha256()
