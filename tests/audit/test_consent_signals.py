from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highstreet.audit.consent import Act, Channel, Method, Purpose
from highstreet.audit.consent_signals import GRANTABLE, Signal, stricter_of_each
from highstreet.audit.errors import SignalError


def _signal(
    act: Act = Act.GIVEN,
    *,
    purpose: Purpose = Purpose.EMAIL_MARKETING,
    channel: Channel = Channel.EMAIL,
    at: int = 1_000,
    customer_id: str = "ann@example.org",
    method: Method = Method.IMPORT,
    source: str = "made-up",
    evidence: bytes = bytes(32),
) -> Signal:
    return Signal(
        customer_id=customer_id,
        purpose=purpose,
        channel=channel,
        act=act,
        at=at,
        method=method,
        source=source,
        evidence_sha256=evidence,
    )


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("channel", Channel)
def test_a_grant_can_be_made_only_of_what_signals_may_grant(purpose: Purpose, channel: Channel) -> None:
    if (purpose, channel) in GRANTABLE:
        assert _signal(purpose=purpose, channel=channel).act is Act.GIVEN
    else:
        with pytest.raises(SignalError, match=purpose.value):
            _signal(purpose=purpose, channel=channel)
    for act in Act:
        if act is not Act.GIVEN:
            assert _signal(act, purpose=purpose, channel=channel).act is act


def test_no_signal_may_grant_learning_matching_or_anything_everywhere() -> None:
    granted = {purpose.value for purpose, _ in GRANTABLE}
    assert granted == {"suggestions_here", "shop_model", "email_marketing"}
    assert Channel.EVERYWHERE not in {channel for _, channel in GRANTABLE}


@pytest.mark.parametrize(
    "wrong",
    [
        {"customer_id": ""},
        {"customer_id": "x" * 321},
        {"at": -1},
        {"evidence": b"short"},
        {"source": ""},
        {"source": "käse"},
        {"source": "x" * 65},
        {"method": Method.SPOKEN},
        {"method": Method.CLICK},
        {"method": Method.RULE},
    ],
)
def test_a_signal_out_of_range_cannot_be_made(wrong: dict[str, object]) -> None:
    with pytest.raises(SignalError):
        _signal(**wrong)  # type: ignore[arg-type]  # that is the point


def test_an_error_says_nothing_of_the_customer() -> None:
    with pytest.raises(SignalError) as caught:
        _signal(customer_id="ann@example.org" * 40)
    assert "ann" not in caught.value.for_user()


def test_of_contradictory_signals_at_one_instant_the_stricter_stays_whatever_the_order() -> None:
    said = (_signal(Act.GIVEN), _signal(Act.ASKED), _signal(Act.OBJECTED), _signal(Act.REFUSED))
    for order in permutations(said):
        assert [signal.act for signal in stricter_of_each(order)] == [Act.OBJECTED]


def test_an_answer_beats_having_been_asked() -> None:
    assert stricter_of_each([_signal(Act.ASKED), _signal(Act.GIVEN)])[0].act is Act.GIVEN


def test_what_was_said_at_different_instants_both_stays_in_order() -> None:
    kept = stricter_of_each(
        [_signal(Act.WITHDRAWN, at=3), _signal(Act.GIVEN, at=2), _signal(Act.GIVEN, at=4)]
    )
    assert [(signal.at, signal.act) for signal in kept] == [(2, "given"), (3, "withdrawn"), (4, "given")]


@given(
    st.lists(
        st.builds(
            _signal,
            st.sampled_from(Act),
            at=st.integers(0, 2),
            customer_id=st.sampled_from(("a", "b")),
            source=st.sampled_from(("x", "y")),
        ),
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_resolving_is_independent_of_order_and_never_loses_a_no(
    signals: list[Signal], random: object
) -> None:
    kept = stricter_of_each(signals)
    shuffled = signals[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # a random.Random
    assert stricter_of_each(shuffled) == kept
    assert stricter_of_each(kept) == kept
    for signal in signals:
        if signal.act in (Act.REFUSED, Act.WITHDRAWN, Act.OBJECTED):
            same = [k for k in kept if (k.customer_id, k.at) == (signal.customer_id, signal.at)]
            assert [k.act in (Act.REFUSED, Act.WITHDRAWN, Act.OBJECTED) for k in same] == [True]
