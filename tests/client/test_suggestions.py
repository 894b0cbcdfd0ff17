"""Suggestions and the shop's own model: personal for who agreed, best-sellers for everybody else."""

from __future__ import annotations

import numpy as np
import pytest

from highstreet.audit.consent import Act, Channel, Method, Purpose
from highstreet.cli import main
from highstreet.client import personal_model
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.consented_cohort import Exclusion
from highstreet.client.errors import UnknownCustomerError
from highstreet.client.home import StoreHome
from highstreet.client.personal_file import fitted_release
from highstreet.client.personal_model import current_model, refresh_model, serving_day
from highstreet.client.special_products import special_list_path
from highstreet.client.suggestions import Certainty, Policy, suggest
from highstreet.client.vault import Vault


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts how often a model was fitted."""
    counted: list[int] = []
    fit = personal_model.fit_local

    def counting(*args: object, **kwargs: object) -> object:
        counted.append(1)
        return fit(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(personal_model, "fit_local", counting)
    return counted


def test_a_customer_who_agreed_gets_what_they_like_with_reasons(shop_home: StoreHome) -> None:
    found = suggest(shop_home, "c0", k=6)
    assert found.policy is Policy.PERSONALISED
    assert found.notes == ("This shop is in no co-op: learnt from its own customers only.",)
    favourite = {f"p{n}" for n in range(0, 32, 4)}
    assert len(found.items) == 6
    assert sum(item.product_id in favourite for item in found.items) >= 4
    scores = [item.score for item in found.items]
    assert scores == sorted(scores, reverse=True)
    again = [item for item in found.items if item.reason_code == "bought_before"]
    assert again
    assert all(item.reason.startswith("bought ") and " ago" in item.reason for item in again)
    assert {item.certainty for item in again} <= {Certainty.SURE, Certainty.FAIRLY_SURE}


SIGNAL = """customer_id,recorded_at,consent_mode_command,personalization_storage,analytics_storage
c23,2026-10-01T10:00:00Z,update,{said},{said}
"""


def _signalled(home: StoreHome, said: str) -> None:
    """As the shop's web page told: c23, who answered no on a form before, says something there."""
    file = home.root.parent / f"{said}.csv"
    file.write_text(SIGNAL.format(said=said))
    assert main(["store", "consent", "import", str(file), "--yes", "--home", str(home.root)]) == 0


def test_a_yes_on_the_web_serves_the_web_and_nothing_else(shop_home: StoreHome) -> None:
    with Vault.open(shop_home.vault) as vault:
        before = set(ConsentDesk(vault).cohort(Purpose.SHOP_MODEL).customers)
    _signalled(shop_home, "granted")
    policies = {channel: suggest(shop_home, "c23", k=3, channel=channel).policy for channel in Channel}
    assert policies.pop(Channel.WEB) is Policy.PERSONALISED
    assert set(policies.values()) == {Policy.POPULAR}
    assert suggest(shop_home, "c23", k=3).policy is Policy.POPULAR
    with Vault.open(shop_home.vault) as vault:
        desk, c23 = ConsentDesk(vault), vault.customer_key("c23")
        assert set(desk.cohort(Purpose.SHOP_MODEL).customers) == before  # training has no channel
        assert c23 not in desk.cohort(Purpose.SUGGESTIONS_HERE).customers
        assert c23 not in desk.cohort(Purpose.COOP_LEARNING, channel=Channel.WEB).customers


def test_a_no_on_the_web_ends_the_web_and_everywhere_and_leaves_the_till(shop_home: StoreHome) -> None:
    """c0 said yes on a form, for everywhere."""
    with Vault.open(shop_home.vault) as vault:
        said = How(method=Method.CLICK, source="web page")
        ConsentDesk(vault).record("c0", Purpose.SUGGESTIONS_HERE, Act.REFUSED, said, channel=Channel.WEB)
    web = suggest(shop_home, "c0", k=3, channel=Channel.WEB)
    assert web.policy is Policy.POPULAR
    assert "said no to personal suggestions on the channel web" in web.notes[0]
    assert suggest(shop_home, "c0", k=3).policy is Policy.POPULAR
    assert suggest(shop_home, "c0", k=3, channel=Channel.TILL).policy is Policy.PERSONALISED


def test_who_is_set_apart_is_served_on_no_channel(shop_home: StoreHome) -> None:
    _signalled(shop_home, "granted")
    with Vault.open(shop_home.vault) as vault:
        ConsentDesk(vault).exclude("c23", Exclusion.RESTRICTED)
    assert suggest(shop_home, "c23", k=3, channel=Channel.WEB).policy is Policy.POPULAR


def test_special_products_are_suggested_on_a_channel_only_where_that_was_agreed_to_there(
    shop_home: StoreHome,
) -> None:
    special_list_path(shop_home.root).write_text('[kinds]\nhealth = ["category 3"]\n')
    special = {f"p{n}" for n in range(3, 32, 4)}
    _signalled(shop_home, "granted")

    def shown() -> set[str]:
        return {item.product_id for item in suggest(shop_home, "c23", k=32, channel=Channel.WEB).items}

    assert not shown() & special
    with Vault.open(shop_home.vault) as vault:
        said = How(method=Method.CLICK, source="web page")
        ConsentDesk(vault).record("c23", Purpose.SENSITIVE_CATEGORIES, Act.GIVEN, said, channel=Channel.WEB)
    assert shown() & special


def test_a_shop_can_ask_for_calibrated_lists_and_is_told_that_they_are(shop_home: StoreHome) -> None:
    plain = suggest(shop_home, "c0", k=8)
    shop_home.config.write_text("[suggestions]\ncalibration = 0.9\n")
    found = suggest(shop_home, "c0", k=8)
    assert "The list is re-ranked as [suggestions] in store.toml says." in found.notes
    assert len({item.product_id for item in found.items}) == 8
    assert [item.product_id for item in found.items] != [item.product_id for item in plain.items]
    assert all(item.reason for item in found.items)
    shop_home.config.write_text("[suggestions]\ncalibration = 0.0\n")
    again = suggest(shop_home, "c0", k=8)
    assert again.notes == plain.notes
    assert {item.product_id for item in again.items} == {item.product_id for item in plain.items}


def test_a_shop_can_give_small_suppliers_their_share_among_new_products(shop_home: StoreHome) -> None:
    plain = suggest(shop_home, "c3", k=6, novel_only=True)
    shop_home.config.write_text("[suggestions]\nsmall_suppliers = 1.0\n")
    found = suggest(shop_home, "c3", k=6, novel_only=True)
    assert len(found.items) == 6
    assert any("re-ranked" in note for note in found.notes)
    assert not any("re-ranked" in note for note in plain.notes)


def test_new_only_leaves_out_what_they_bought(shop_home: StoreHome) -> None:
    with Vault.open(shop_home.vault) as vault, vault.read() as connection:
        bought = {
            product
            for (product,) in connection.execute(
                'SELECT DISTINCT product_id FROM lines JOIN orders USING ("order")'
                " JOIN products USING (product) JOIN customers USING (customer) WHERE customer_id = 'c3'"
            )
        }
    found = suggest(shop_home, "c3", k=40, novel_only=True)
    assert len(bought) + len(found.items) == 32
    assert bought.isdisjoint(item.product_id for item in found.items)
    assert Certainty.SURE not in {item.certainty for item in found.items}


def test_a_customer_who_said_no_gets_best_sellers_and_the_list_says_so(
    shop_home: StoreHome, fits: list[int]
) -> None:
    found = suggest(shop_home, "c23", k=5)
    assert found.policy is Policy.POPULAR
    assert "said no to personal suggestions" in found.notes[0]
    assert {item.certainty for item in found.items} == {Certainty.A_GUESS}
    assert {item.reason_code for item in found.items} == {"popular_here"}
    # The same list for everybody: it cannot depend on who asks.
    assert suggest(shop_home, "c22", k=5).items == found.items
    assert fits == []


def test_a_withdrawal_counts_for_the_next_suggestion(shop_home: StoreHome) -> None:
    assert suggest(shop_home, "c1", k=3).policy is Policy.PERSONALISED
    with Vault.open(shop_home.vault) as vault:
        ConsentDesk(vault).record(
            "c1", Purpose.SUGGESTIONS_HERE, Act.WITHDRAWN, How(method=Method.SPOKEN, source="test")
        )
    assert suggest(shop_home, "c1", k=3).policy is Policy.POPULAR


def test_a_withdrawal_while_the_model_is_fitted_still_counts(
    shop_home: StoreHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = personal_model.fit_local

    def withdraw_meanwhile(*args: object, **kwargs: object) -> object:
        with Vault.open(shop_home.vault) as vault:
            ConsentDesk(vault).record(
                "c1", Purpose.SUGGESTIONS_HERE, Act.WITHDRAWN, How(method=Method.SPOKEN, source="test")
            )
        return fit(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(personal_model, "fit_local", withdraw_meanwhile)
    assert suggest(shop_home, "c1", k=3).policy is Policy.POPULAR


def test_best_sellers_name_a_number_of_people_only_from_twenty_up(shop_home: StoreHome) -> None:
    for item in suggest(shop_home, "c23", k=32).items:
        people = int(item.score)
        assert item.reason == (f"popular here: {people} customers" if people >= 20 else "popular here")


def test_an_unknown_customer_is_told(shop_home: StoreHome) -> None:
    with pytest.raises(UnknownCustomerError):
        suggest(shop_home, "nobody", k=3)


def test_the_model_is_kept_and_fitted_anew_only_when_its_basis_changes(
    shop_home: StoreHome, fits: list[int]
) -> None:
    assert refresh_model(shop_home) == 0
    assert refresh_model(shop_home) == 0
    assert len(fits) == 1
    assert fitted_release(shop_home) == 0
    with Vault.open(shop_home.vault) as vault:
        ConsentDesk(vault).record(
            "c1", Purpose.SHOP_MODEL, Act.WITHDRAWN, How(method=Method.SPOKEN, source="test")
        )
    refresh_model(shop_home)
    assert len(fits) == 2
    with Vault.open(shop_home.vault) as vault, vault.write() as connection:
        connection.execute("UPDATE products SET brand = 'national' WHERE product_id = 'p1'")
    refresh_model(shop_home)
    assert len(fits) == 3


def test_a_customer_who_withdrew_from_the_shops_model_leaves_it(shop_home: StoreHome) -> None:
    with Vault.open(shop_home.vault) as vault:
        before = current_model(shop_home, vault)
        desk = ConsentDesk(vault)
        for name in ("c0", "c4", "c8", "c12", "c16", "c20"):  # all who love the first category
            desk.record(name, Purpose.SHOP_MODEL, Act.WITHDRAWN, How(method=Method.SPOKEN, source="test"))
        after = current_model(shop_home, vault)
    assert before is not None
    assert after is not None
    assert before.model.view.customers == 22
    assert after.model.view.customers == 16
    first = np.arange(32) % 4 == 0
    assert after.model.view.people[first].sum() < before.model.view.people[first].sum()


def test_a_damaged_model_file_is_fitted_anew(shop_home: StoreHome, fits: list[int]) -> None:
    refresh_model(shop_home)
    (file,) = shop_home.personal.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-8])
    refresh_model(shop_home)
    (shop_home.personal / "active.json").write_text("{")
    refresh_model(shop_home)
    assert len(fits) == 3
    assert len(list(shop_home.personal.glob("*.safetensors"))) == 1


def test_without_anybody_who_agreed_there_are_best_sellers(shop_home: StoreHome) -> None:
    with Vault.open(shop_home.vault) as vault:
        desk = ConsentDesk(vault)
        for n in range(22):
            desk.record(f"c{n}", Purpose.SHOP_MODEL, Act.WITHDRAWN, How(method=Method.SPOKEN, source="test"))
        assert current_model(shop_home, vault) is None
    found = suggest(shop_home, "c0", k=3)
    assert found.policy is Policy.POPULAR
    assert "No customer agreed to train" in found.notes[0]


def test_suggestions_are_made_for_the_day_after_the_last_order(shop_home: StoreHome) -> None:
    with Vault.open(shop_home.vault) as vault:
        assert serving_day(vault).isoformat() == "2026-09-01"
