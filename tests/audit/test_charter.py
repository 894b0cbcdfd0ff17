"""A charter is the same for people, for signatures and for every store; and it must keep its own promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from highstreet.audit.canonical import canonical_json
from highstreet.audit.charter import COOP_LEARNING, MATCHING, Charter, CoopIdentity, MatchingTerms
from highstreet.audit.charter_format import from_document, from_toml, to_toml
from highstreet.audit.claims import (
    check_promise,
    claims_of,
    period_in_words,
    releases_of,
    trainings_in_a_period,
    weights_in_words,
)
from highstreet.audit.errors import (
    CharterError,
    CharterExceedsLimitsError,
    EpsilonClaimError,
    UnreadableDocumentError,
)
from highstreet.audit.limits import StoreLimits, refuse_over_limits, spending_limits
from highstreet.audit.requests import mechanism_of
from highstreet.privacy.accountant import epsilon
from highstreet.privacy.budget import Budget
from highstreet.privacy.releases import Neighbouring, NoisePlacement, PrivacyUnit, Weighting

Make = Callable[..., Charter]


def test_toml_for_people_and_json_for_signing_are_the_same_charter(charter_with: Make) -> None:
    charter = charter_with()
    assert from_toml(to_toml(charter)) == charter
    assert from_document(charter.document()) == charter
    assert from_toml(to_toml(charter)).sha256() == charter.sha256()


def test_a_whole_number_written_for_a_fraction_is_the_same_charter(charter_with: Make) -> None:
    text = to_toml(charter_with())
    assert "clipping_norm = 1.0" in text
    assert from_toml(text.replace("clipping_norm = 1.0", "clipping_norm = 1")).document() == (
        charter_with().document()
    )


def test_awkward_names_survive_toml(charter_with: Make) -> None:
    name = 'Zoë\'s "co-op" \\ söns ☕'
    charter = charter_with(coop=CoopIdentity(id="cd" * 16, name=name, created="2026-01-01"))
    assert from_toml(to_toml(charter)).coop.name == name


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[privacy]", "[privacy", "not valid TOML"),
        ("cohort_floor = 3", "cohort_floor = 1", "rounds.cohort_floor"),
        ("cohort_floor = 3", "cohort_floor = true", "rounds.cohort_floor"),
        ("quorum = 0.5", "quorum = 1.5", "rounds.quorum"),
        ("delta = 1e-05", "delta = nan", "privacy.delta"),
        ("epsilon = 1.2", "epsilon = -1", "privacy.epsilon"),
        ("epsilon = 1.2", "epsilon = 1.2\nseed = 7", "privacy.seed"),
        ('noise = "once_in_sum"', 'noise = "none"', "privacy.noise"),
        ('\nweighting = "whole"', '\nweighting = "half"', "privacy.weighting"),
        ('\nweighting = "whole"', "", "privacy.weighting"),
        ('\nprivacy_unit = "customer_at_store"', '\nprivacy_unit = "people"', "privacy.privacy_unit"),
        ("shops_per_person = 4", "shops_per_person = 0", "privacy.shops_per_person"),
        ('allowed = ["coop_learning"]', "allowed = []", "purposes.allowed"),
        ("noise_multiplier = 5.0", "noise_multiplier = -5.0", "programme"),
        ("dimension = 11325", "dimension = 0", "programme"),
        ("dimension = 11325", "dimension = 1.5", "programme"),
        ("colluders = 1", "colluders = 3", "cohort_floor must be more than colluders"),
        ("colluders = 1", "colluders = -1", "colluders"),
        ("committee_size = 6", "committee_size = 2", "committee_size"),
        ("committee_size = 6", "committee_size = 10", "committee_size"),
        ('kind = "statistics"', 'kind = "magic"', "programme"),
        ("index = 1", "index = 5", "programme"),
        ("charter = 1", "charter = 2", "versions.charter"),
        ("[versions]", "[extra]\nx = 1\n[versions]", "extra"),
        ("hash_seed = 20170101", "", "programme is not valid"),
        ("hash_seed = 20170101", "hash_seed = 9223372036854775808", "programme is not valid.*hash_seed"),
    ],
)
def test_an_edited_charter_that_is_wrong_says_where(
    charter_with: Make, old: str, new: str, said: str
) -> None:
    text = to_toml(charter_with())
    assert old in text
    with pytest.raises(CharterError, match="(?s)" + said):
        from_toml(text.replace(old, new, 1))


def test_a_signed_charter_in_another_spelling_is_refused(charter_with: Make) -> None:
    plain = charter_with().to_dict()
    plain["rounds"] = {**plain["rounds"], "quorum": 1}  # type: ignore[dict-item]
    with pytest.raises(CharterError, match="spells"):
        from_document(canonical_json(plain))
    with pytest.raises(UnreadableDocumentError):
        from_document(charter_with().document() + b" ")


def test_the_claims_are_those_of_the_phases_composed_by_hand(charter_with: Make) -> None:
    # Two Gaussian releases with multiplier 5 are one with 5 / sqrt(2). In a sum over k = 4 shops a person's
    # part is four times as large.
    from highstreet.privacy.accountant import epsilon
    from highstreet.privacy.releases import customer_release

    claims = claims_of(charter_with())
    one = epsilon([customer_release(noise_multiplier=5 / 2**0.5)], delta=1e-5)
    four = epsilon([customer_release(noise_multiplier=5 / 2**0.5 / 4)], delta=1e-5)
    assert claims.customer.epsilon == pytest.approx(one, rel=1e-3)
    assert claims.person.epsilon == pytest.approx(four, rel=1e-3)
    assert claims.person.k == 4


def of_unit(charter: Charter, unit: PrivacyUnit) -> Charter:
    weighting = Weighting.ONE_OVER_MOST if unit is PrivacyUnit.PERSON else Weighting.WHOLE
    return replace(charter, privacy=replace(charter.privacy, privacy_unit=unit, weighting=weighting))


def test_a_charter_about_persons_is_the_same_for_people_and_for_signing(charter_with: Make) -> None:
    charter = of_unit(charter_with(), PrivacyUnit.PERSON)
    text = to_toml(charter)
    assert 'privacy_unit = "person"' in text
    assert 'weighting = "one_over_most"' in text
    assert from_toml(text) == from_document(charter.document()) == charter
    assert charter.sha256() != charter_with().sha256()


def test_a_charter_about_persons_costs_a_person_what_one_contribution_costs(charter_with: Make) -> None:
    usual = claims_of(charter_with())
    claims = claims_of(of_unit(charter_with(), PrivacyUnit.PERSON))
    assert claims.customer == usual.customer
    assert claims.person.epsilon == claims.customer.epsilon < usual.person.epsilon
    assert "up to 4 shops, each contribution divided by that number" in str(claims.person)
    assert claims.about(PrivacyUnit.PERSON) is claims.person
    assert check_promise(of_unit(charter_with(), PrivacyUnit.PERSON)) == claims


def test_a_charter_about_persons_that_promises_less_than_a_person_pays_is_refused(charter_with: Make) -> None:
    charter = of_unit(charter_with(), PrivacyUnit.PERSON)
    cost = claims_of(charter).person.epsilon
    check_promise(replace(charter, privacy=replace(charter.privacy, epsilon=cost)))
    with pytest.raises(EpsilonClaimError, match="but its phases cost"):
        check_promise(replace(charter, privacy=replace(charter.privacy, epsilon=cost * 0.999)))


@pytest.mark.parametrize(
    ("unit", "weighting"),
    [
        (PrivacyUnit.CUSTOMER_AT_STORE, Weighting.ONE_OVER_MOST),
        (PrivacyUnit.CUSTOMER_AT_STORE, Weighting.ONE_OVER_SHOPS),
        (PrivacyUnit.PERSON, Weighting.WHOLE),
    ],
)
def test_a_weighting_that_does_not_go_with_the_unit_is_refused(
    charter_with: Make, limits: StoreLimits, unit: PrivacyUnit, weighting: Weighting
) -> None:
    charter = charter_with()
    odd = replace(charter, privacy=replace(charter.privacy, privacy_unit=unit, weighting=weighting))
    for refuse in (claims_of, check_promise, lambda it: refuse_over_limits(it, limits)):
        with pytest.raises(CharterError, match="does not go with privacy_unit"):
            refuse(odd)


def test_weights_by_known_shops_need_a_matching_that_tells_them(
    charter_with: Make, limits: StoreLimits
) -> None:
    charter = of_unit(charter_with(), PrivacyUnit.PERSON)
    counted = replace(charter, privacy=replace(charter.privacy, weighting=Weighting.ONE_OVER_SHOPS))
    for refuse in (check_promise, lambda it: refuse_over_limits(it, limits)):
        with pytest.raises(CharterError, match="needs private matching"):
            refuse(counted)
    assert weights_in_words(counted) == weights_in_words(charter) == ()
    matched = replace(
        counted,
        purposes=(*counted.purposes, MATCHING),
        matching=MatchingTerms(identifier_kind="loyalty-number", identifiers_per_store=1234),
    )
    claims = check_promise(matched)
    refuse_over_limits(matched, replace(limits, purposes=(*limits.purposes, MATCHING)))
    assert "divided by their number" in str(claims.person)
    assert claims.person.epsilon == claims.customer.epsilon == claims_of(charter).person.epsilon
    said = " ".join(weights_in_words(matched))
    for words in ("no loyalty-number", "1,234", f"more than {claims.person.k} shops", "stayed unknown"):
        assert words in said


def test_a_charter_about_persons_that_samples_is_refused(charter_with: Make) -> None:
    charter = charter_with()
    phases = tuple(replace(phase, sampling_rate=0.5) for phase in charter.plan.phases)
    sampling = replace(charter, plan=replace(charter.plan, phases=phases))
    claims_of(sampling)
    for refuse in (claims_of, check_promise):
        with pytest.raises(CharterError, match=r"Phase 0 \(popularity\) samples") as caught:
            refuse(of_unit(sampling, PrivacyUnit.PERSON))
        assert "sampling_rate to 1" in caught.value.next_step


def test_a_store_can_demand_a_promise_to_persons(charter_with: Make, limits: StoreLimits) -> None:
    strict = replace(limits, require_person_unit=True)
    refuse_over_limits(of_unit(charter_with(), PrivacyUnit.PERSON), strict)
    with pytest.raises(CharterExceedsLimitsError, match="one to a person over all shops is required"):
        refuse_over_limits(charter_with(), strict)


def test_a_stores_epsilon_is_held_against_the_person_where_that_is_promised(
    charter_with: Make, limits: StoreLimits
) -> None:
    charter = of_unit(charter_with(), PrivacyUnit.PERSON)
    with pytest.raises(
        CharterExceedsLimitsError, match=r"1\.2 .* for a person who shops .* over the 1 allowed"
    ):
        refuse_over_limits(charter, replace(limits, max_epsilon=1.0))


def test_a_charter_about_persons_makes_room_for_the_rounding_in_each_of_their_shops(
    charter_with: Make,
) -> None:
    charter = charter_with()
    phase = charter.plan.phases[0]
    for unit, shops in ((PrivacyUnit.CUSTOMER_AT_STORE, 1), (PrivacyUnit.PERSON, 4)):
        mechanism = mechanism_of(phase, of_unit(charter, unit), participants=9)
        assert mechanism.shops_per_person == shops
    assert mechanism_of(phase, of_unit(charter, PrivacyUnit.PERSON), participants=3).shops_per_person == 3


def test_a_charter_about_another_unit_has_no_claims(charter_with: Make) -> None:
    for unit in (PrivacyUnit.STORE, PrivacyUnit.EXAMPLE):
        with pytest.raises(CharterError, match="customer_at_store or person"):
            claims_of(of_unit(charter_with(), unit))
        with pytest.raises(CharterError, match="customer_at_store or person"):
            check_promise(of_unit(charter_with(), unit))


@pytest.mark.parametrize("trainings", [1, 2, 3, 7])
def test_as_many_trainings_fit_as_the_epsilon_of_the_period_pays_for(
    charter_with: Make, trainings: int
) -> None:
    charter = charter_with()
    cost = claims_of(charter, trainings=trainings).customer.epsilon

    def allowing(epsilon: float) -> int:
        return trainings_in_a_period(replace(charter, privacy=replace(charter.privacy, epsilon=epsilon)))

    assert allowing(cost) == trainings  # to the last bit
    assert allowing(cost - 1e-6) == trainings - 1
    assert allowing(cost + 1e-6) == trainings
    composed = epsilon(list(releases_of(charter.plan)) * trainings, delta=charter.privacy.delta)
    assert cost == pytest.approx(composed, rel=1e-9)


def test_a_promise_is_said_for_the_period_and_not_for_a_training(charter_with: Make) -> None:
    charter = charter_with()
    assert period_in_words(charter) == (
        "all trainings in any 365 days together cost at most epsilon 1.2, delta 1e-05 for a customer of one "
        "shop: one training fits"
    )
    twice = replace(charter, privacy=replace(charter.privacy, epsilon=1.6))
    assert period_in_words(twice).endswith("2 trainings fit")
    assert "in all trainings together" in to_toml(charter)


def test_what_a_store_spends_within_is_its_own_budget_and_the_charters(
    charter_with: Make, limits: StoreLimits
) -> None:
    own = Budget(epsilon=3.0, delta=1e-5, period_days=365)
    promised = Budget(epsilon=1.2, delta=1e-6, period_days=500)
    charter = charter_with()
    terms = replace(charter.privacy, delta=1e-6, period_days=500)
    found = spending_limits(limits, replace(charter, privacy=terms))
    assert found.budgets == (own, promised)
    assert spending_limits(limits, None).budgets == (own,)


def test_a_charter_that_promises_less_than_it_costs_is_refused(charter_with: Make) -> None:
    cost = check_promise(charter_with()).customer.epsilon
    honest = charter_with()
    exact = replace(honest, privacy=replace(honest.privacy, epsilon=cost))
    check_promise(exact)
    short = replace(honest, privacy=replace(honest.privacy, epsilon=cost * 0.999))
    with pytest.raises(EpsilonClaimError, match="but its phases cost"):
        check_promise(short)


@pytest.mark.parametrize("sign", ["\x1b", "\x9b", "\u202e", "\u2066", "\u200b", "\u2028"])
def test_a_name_that_acts_on_a_terminal_is_refused(charter_with: Make, sign: str) -> None:
    charter = charter_with(coop=CoopIdentity(id="cd" * 16, name=f"Hill{sign} Road", created="2026-01-01"))
    with pytest.raises(CharterError, match=r"coop\.name"):
        from_document(charter.document())


def test_a_phase_with_a_name_that_acts_on_a_terminal_is_refused(charter_with: Make) -> None:
    charter = charter_with()
    phases = tuple(replace(phase, name="a\x1b[2K") for phase in charter.plan.phases)
    with pytest.raises(CharterError):
        from_document(replace(charter, plan=replace(charter.plan, phases=phases)).document())


def test_a_charter_without_noise_is_refused(charter_with: Make) -> None:
    charter = charter_with()
    silent = tuple(replace(phase, noise_multiplier=0.0) for phase in charter.plan.phases)
    with pytest.raises(EpsilonClaimError, match="without bound"):
        check_promise(replace(charter, plan=replace(charter.plan, phases=silent)))


def test_terms_that_are_not_built_are_refused(charter_with: Make) -> None:
    charter = charter_with()
    for terms in (
        replace(charter.privacy, privacy_unit=PrivacyUnit.STORE),
        replace(charter.privacy, neighbouring=Neighbouring.REPLACE),
        replace(charter.privacy, noise=NoisePlacement.EVERY_STORE),
    ):
        with pytest.raises(CharterError):
            check_promise(replace(charter, privacy=terms))
    with pytest.raises(CharterError, match="coop_learning"):
        check_promise(replace(charter, purposes=("email",)))


def test_a_charter_within_the_stores_limits_is_accepted(charter_with: Make, limits: StoreLimits) -> None:
    refuse_over_limits(charter_with(), limits)


def test_a_charter_with_matching_is_for_stores_that_allow_it(charter_with: Make, limits: StoreLimits) -> None:
    charter = charter_with(purposes=(COOP_LEARNING, MATCHING))
    assert from_document(charter.document()) == charter
    check_promise(charter)
    with pytest.raises(CharterExceedsLimitsError, match="the purposes matching, which are not allowed here"):
        refuse_over_limits(charter, limits)
    refuse_over_limits(charter, replace(limits, purposes=(COOP_LEARNING, MATCHING)))


@pytest.mark.parametrize(
    ("tighter", "said"),
    [
        ({"max_epsilon": 1.0}, "epsilon 1.2 .* over the 1 allowed"),
        ({"delta": 1e-9}, None),
        ({"delta": 1e-9, "max_epsilon": 1.2}, "over the 1.2 allowed"),
        ({"period_days": 366}, "a budget every 365 days"),
        ({"min_cohort_floor": 4}, "3 stores, under the 4 required"),
        ({"max_phases": 1}, "2 phases, over the 1 allowed"),
        ({"max_dimension": 15}, "77834 numbers in a phase"),
        ({"purposes": ()}, "the purposes coop_learning"),
    ],
)
def test_a_charter_over_a_limit_is_refused_with_the_limit(
    charter_with: Make, limits: StoreLimits, tighter: dict[str, object], said: str | None
) -> None:
    strict = replace(limits, **tighter)  # type: ignore[arg-type]  # names are checked by dataclasses
    if said is None:
        refuse_over_limits(charter_with(), strict)
        return
    with pytest.raises(CharterExceedsLimitsError, match=said) as caught:
        refuse_over_limits(charter_with(), strict)
    assert "Nothing was joined" in caught.value.next_step


def test_a_charter_that_reckons_with_no_colluder_is_refused(charter_with: Make, limits: StoreLimits) -> None:
    charter = charter_with()
    trusting = replace(charter, rounds=replace(charter.rounds, colluders=0))
    with pytest.raises(CharterExceedsLimitsError, match="no member may collude"):
        refuse_over_limits(trusting, limits)


def test_a_lie_about_the_cost_does_not_get_a_charter_past_the_limits(
    charter_with: Make, limits: StoreLimits
) -> None:
    charter = charter_with()
    loud = tuple(replace(phase, noise_multiplier=0.5) for phase in charter.plan.phases)
    with pytest.raises(EpsilonClaimError):
        refuse_over_limits(replace(charter, plan=replace(charter.plan, phases=loud)), limits)
