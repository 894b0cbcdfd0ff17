"""The sceptic's trials on the running co-op: used codes, plaintext, customers who change their mind."""

from __future__ import annotations

from highstreet.server.home import CoopHome
from highstreet.simulations.demo.answers import count, rows, table, text
from highstreet.simulations.demo.evidence import sent_contributions
from highstreet.simulations.demo.round_sums import round_sums
from highstreet.simulations.demo.scene import Scene
from highstreet.simulations.demo.sceptic import answers_plaintext, attempt, tampered_releases
from highstreet.simulations.demo.stages import customer_who_said
from highstreet.simulations.demo.sum_trials import check_sums
from highstreet.simulations.report.record import Check

__all__ = ["try_everything"]

_NETWORK_PORTS = {"joining": 0, "members": 1, "rounds": 2}


def try_everything(scene: Scene, *, codes: dict[str, str], first_port: int) -> list[Check]:
    """Try all, one after the other; each leaves the co-op as good as it was but for the last two."""
    scene.progress.detail("false releases")
    checks = tampered_releases(scene.shops[0].home, scene.work / "scratch")
    scene.progress.detail("a used code")
    checks.append(_used_code(scene, codes))
    scene.progress.detail("gRPC without TLS")
    checks.append(_plaintext(first_port))
    scene.progress.detail("the secure sum")
    checks += _secure_sums(scene)
    scene.progress.detail("withdrawn consent")
    checks += [_withdrawn_learning(scene), _withdrawn_suggestions(scene)]
    return checks


def _secure_sums(scene: Scene) -> list[Check]:
    coop, ledgers = CoopHome.open(scene.coop_home), [shop.ledger for shop in scene.shops]
    sums = round_sums(coop.charter(), database=coop.database, ledgers=ledgers)
    contributions = [each for ledger in ledgers for each in sent_contributions(ledger)]
    return check_sums(contributions, sums, database=coop.database)


def _used_code(scene: Scene, codes: dict[str, str]) -> Check:
    def trial() -> tuple[bool, str]:
        home = scene.work / "thief"
        scene.commands.run("store", "init", "--home", str(home))
        said = scene.commands.run(
            "store", "join", "-", "--home", str(home), given=codes[scene.shops[0].name], expect=1
        )
        return True, _last_sentence(said)

    return attempt("An invitation code used a second time, by somebody else", "refused", trial)


def _plaintext(first_port: int) -> Check:
    def trial() -> tuple[bool, str]:
        speaking = [name for name, offset in _NETWORK_PORTS.items() if answers_plaintext(first_port + offset)]
        if speaking:
            return False, f"the port for {', '.join(speaking)} answered in the clear"
        return True, f"none of the {len(_NETWORK_PORTS)} ports that shops reach answered"

    return attempt("gRPC without TLS at the coordinator's ports", "no answer", trial)


def _withdrawn_learning(scene: Scene) -> Check:
    shop = scene.shops[0]

    def willing() -> int:
        status = table(scene.commands.json("store", "status", "--json", "--home", str(shop.home)))
        found = [each for each in rows(status, "consents") if each["purpose"] == "coop_learning"]
        return count(found[0], "granted")

    def trial() -> tuple[bool, str]:
        before = willing()
        customer = customer_who_said(shop.files / "customers.csv", "consent_coop_learning", "yes")
        scene.commands.run(
            "store", "consent", "record", customer, "coop_learning", "no", "--home", str(shop.home)
        )
        after = willing()
        return after == before - 1, f"{before} customers could be used for learning together, now {after}"

    return attempt("A customer takes back their yes to learning together", "left out from now on", trial)


def _withdrawn_suggestions(scene: Scene) -> Check:
    shop = scene.shops[0]

    def trial() -> tuple[bool, str]:
        customer = customer_who_said(shop.files / "customers.csv", "consent_suggestions", "yes")
        scene.commands.run(
            "store", "consent", "record", customer, "suggestions_here", "no", "--home", str(shop.home)
        )
        answer = table(
            scene.commands.json("store", "suggest", customer, "-k", "5", "--json", "--home", str(shop.home))
        )
        listed = len(rows(answer, "items"))
        made = text(answer, "policy")
        return made == "popular" and listed > 0, f"{listed} products, the same for everybody ({made})"

    return attempt(
        "A customer takes back their yes to personal suggestions", "best-sellers only, still a list", trial
    )


def _last_sentence(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    found = next(
        (line for line in lines if line.startswith("highstreet:")), lines[-1] if lines else "refused"
    )
    return found.removeprefix("highstreet:").strip()
