"""What was known before: whether facts that are read again say anything new."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from billing.facts import Fact, Link, SubscriptionSeen, join
from billing.known import Key, key_of
from billing.known_facts import Connection, fact_in, known_of, rows
from ledger.postgres.named_sql import queries

_SQL = queries("billing", "sql/reconciling.sql")


@dataclass(frozen=True, slots=True)
class Before:
    """The joined facts of the same things, the links, and the newest word about each subscription."""

    facts: Mapping[Key, Fact]
    links: Collection[Link]
    newest: Mapping[str, SubscriptionSeen]

    def has(self, fact: Fact) -> bool:
        """Whether a fact says nothing new. A later word that says the same as the newest one does not."""
        if isinstance(fact, Link):
            return fact in self.links
        known = self.facts.get(key_of(fact))
        if known is not None:
            return join(known, fact) == known
        newest = self.newest.get(fact.subscription_id) if isinstance(fact, SubscriptionSeen) else None
        if newest is None or not isinstance(fact, SubscriptionSeen):
            return False
        return fact.as_of > newest.as_of and join(newest, replace(fact, as_of=newest.as_of)) == newest


async def known_before(connection: Connection, facts: Iterable[Fact]) -> Before:
    """What is known of the things that some facts are about."""
    facts = list(facts)
    links = [fact for fact in facts if isinstance(fact, Link)]
    words = {fact.subscription_id for fact in facts if isinstance(fact, SubscriptionSeen)}
    return Before(
        await known_of(connection, facts), await _known_links(connection, links), await _newest(connection, words)
    )


async def _known_links(connection: Connection, links: Collection[Link]) -> frozenset[Link]:
    named = {"things": [one.thing for one in links], "belongs_to": [one.belongs_to for one in links]}
    found = await rows(connection, _SQL["known_links"], named)
    return frozenset(Link(row["thing"], row["belongs_to"]) for row in found)


async def _newest(connection: Connection, subscriptions: Collection[str]) -> dict[str, SubscriptionSeen]:
    found = await rows(connection, _SQL["newest_words"], {"subscriptions": sorted(subscriptions)})
    words = map(fact_in, found)
    return {word.subscription_id: word for word in words if isinstance(word, SubscriptionSeen)}
