"""The catalogue in the database: versions, what products mean, all or nothing, and nothing is ever changed."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import NamedTuple

import psycopg
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uvloop import new_event_loop

from billing import catalog
from billing.catalog import Connection
from billing.catalog_changes import FieldChange
from billing.errors import BillingRefused, CatalogFull, PackageNotFound, PlanNotFound, ProductBelongsToAnother
from billing.plans import Plan, Sold, digest, products_of, terms
from ledger.postgres.connecting import connect_async
from tests.billing.catalogs import package, plan, wanted
from tests.postgres import TestServer, owner

BY = "operator:test"


@pytest_asyncio.fixture
async def there(database: str) -> AsyncIterator[Connection]:
    """A connection of the service."""
    async with await connect_async(database) as connection:
        yield connection


async def put(connection: Connection, **bodies: Sold) -> list[int]:
    """Put entries, and return their versions."""
    return [change.version for change in await catalog.put(connection, wanted(**bodies), BY)]


async def meaning(connection: Connection, product_id: str, **at: object) -> tuple[str, str, int, str] | None:
    found = await catalog.sold_as(connection, "stripe", product_id, **at)  # type: ignore[arg-type]
    return found and (found.entry.kind, found.entry.id, found.entry.version, found.price)


# Versions ---------------------------------------------------------------------------------------------------------


async def test_a_change_is_a_version_and_the_same_again_is_none(there: Connection) -> None:
    assert await put(there, pro=plan(credits=100), small=package()) == [1, 1]
    assert await put(there, pro=plan(credits=100), small=package()) == [1, 1]
    assert await put(there, pro=plan(credits=200), small=package()) == [2, 1]
    assert [entry.version for entry in await catalog.versions(there, "plan", "pro")] == [2, 1]
    first, newest = await catalog.find(there, "plan", "pro", 1), await catalog.find(there, "plan", "pro")
    assert (first.body, newest.body) == (plan(credits=100), plan(credits=200))
    assert first.created_at < newest.created_at
    assert (newest.created_by, newest.sha256) == (BY, digest(newest.body))
    assert [(entry.kind, entry.id, entry.version) for entry in await catalog.newest(there)] == [
        ("package", "small", 1),
        ("plan", "pro", 2),
    ]
    assert [entry.id for entry in await catalog.newest(there, "plan")] == ["pro"]


async def test_a_plan_and_a_package_may_have_one_id(there: Connection) -> None:
    await put(there, pro=plan())
    await put(there, pro=package())
    assert {(entry.kind, entry.id, entry.version) for entry in await catalog.newest(there)} == {
        ("plan", "pro", 1),
        ("package", "pro", 1),
    }


async def test_what_is_not_there_is_named(there: Connection) -> None:
    await put(there, pro=plan())
    with pytest.raises(PlanNotFound, match="no plan 'max'"):
        await catalog.find(there, "plan", "max")
    with pytest.raises(PlanNotFound, match="'pro' has no version 2"):
        await catalog.find(there, "plan", "pro", 2)
    with pytest.raises(PackageNotFound, match="no package 'pro'"):
        await catalog.find(there, "package", "pro")
    assert await catalog.versions(there, "package", "pro") == []
    assert await catalog.sold_as(there, "stripe", "p") is None


async def test_changes_say_which_fields_and_for_whom(there: Connection) -> None:
    before = plan({"stripe": "p1"}, credits=100, name="Pro", features=["One"])
    await put(there, pro=before)
    after = plan({"stripe": "p2"}, credits=150, name="Pro 2", features=["One", "Two"], roll_over={"cap": 10})
    [change] = await catalog.changes(there, wanted(pro=after))
    assert change.fields == [
        FieldChange("name", "Pro", "Pro 2", "pages"),
        FieldChange("features", ["One"], ["One", "Two"], "pages"),
        FieldChange("credits", 100, 150, "new"),
        FieldChange("prices.monthly.products.stripe", "p1", "p2", "pages"),
        FieldChange("roll_over.cap", None, 10, "new"),
        FieldChange("roll_over.periods", None, 1, "new"),
    ]
    assert await catalog.versions(there, "plan", "pro") == await catalog.versions(there, "plan", "pro")
    assert [entry.version for entry in await catalog.versions(there, "plan", "pro")] == [1], "it wrote nothing"
    for_all = after.model_copy(update={"applies_to": "all"})
    [change] = await catalog.changes(there, wanted(pro=for_all))
    assert {field.field: field.effect for field in change.fields}["credits"] == "all"


# Products ---------------------------------------------------------------------------------------------------------


async def test_an_old_product_keeps_its_terms(there: Connection) -> None:
    await put(there, pro=plan({"stripe": "old"}, credits=100))
    await put(there, pro=plan({"stripe": "new"}, credits=200))
    assert await meaning(there, "old") == ("plan", "pro", 1, "monthly")
    assert await meaning(there, "new") == ("plan", "pro", 2, "monthly")
    found = await catalog.sold_as(there, "stripe", "old")
    assert found is not None
    assert found.entry.body.credits == 100
    assert await catalog.sold_as(there, "dodo", "old") is None, (
        "ids of two providers have nothing to do with each other"
    )


async def test_a_product_with_other_terms_is_refused(there: Connection) -> None:
    """appstrate/appstrate#1327, ccusage#1636: a table of prices was refreshed, and customers were repriced."""
    await put(there, pro=plan({"stripe": "p"}, credits=100))
    with pytest.raises(ProductBelongsToAnother) as refused:
        await put(there, pro=plan({"stripe": "p"}, credits=200))
    assert refused.value.facts == {"provider": "stripe", "product_id": "p", "plan_id": "pro", "version": 1}
    assert await put(there, pro=plan({"stripe": "p"}, credits=100, name="Other")) == [2], "a name is no term"
    assert await meaning(there, "p") == ("plan", "pro", 1, "monthly")
    yearly = {"price": "monthly", "interval": {"months": 12}, "amount_minor": 500, "currency": "EUR"}
    with pytest.raises(ProductBelongsToAnother):
        await put(there, pro=plan(prices=[{**yearly, "products": {"stripe": "p"}}]))


async def test_a_product_of_another_entry_is_refused_always(there: Connection) -> None:
    await put(there, pro=plan({"stripe": "p"}))
    for body in (plan({"stripe": "p"}), package({"stripe": "p"}), plan({"stripe": "p"}, applies_to="all")):
        with pytest.raises(ProductBelongsToAnother, match="version 1 of the plan 'pro'"):
            await put(there, max=body)
    assert [entry.id for entry in await catalog.newest(there)] == ["pro"]


async def test_a_version_for_all_is_what_earlier_products_mean_from_its_moment_on(there: Connection) -> None:
    await put(there, pro=plan({"stripe": "old"}, credits=100))
    await put(there, pro=plan({"stripe": "new"}, credits=200))
    await put(there, pro=plan({"stripe": "old"}, credits=300, applies_to="all"))
    await put(there, pro=plan({"stripe": "newest"}, credits=400))
    moments = {entry.version: entry.created_at for entry in await catalog.versions(there, "plan", "pro")}
    assert await meaning(there, "old") == ("plan", "pro", 3, "monthly")
    assert await meaning(there, "new") == ("plan", "pro", 3, "monthly")
    assert await meaning(there, "newest") == ("plan", "pro", 4, "monthly")
    just_before = moments[3] - timedelta(microseconds=1)
    assert await meaning(there, "old", at=just_before) == ("plan", "pro", 1, "monthly")
    assert await meaning(there, "new", at=just_before) == ("plan", "pro", 2, "monthly")
    assert await meaning(there, "old", at=moments[3]) == ("plan", "pro", 3, "monthly")
    with pytest.raises(ProductBelongsToAnother, match="version 3"):
        await put(there, pro=plan({"stripe": "new"}, credits=200))
    assert await put(there, pro=plan({"stripe": "new"}, credits=300)) == [5]


# All or nothing, and room ------------------------------------------------------------------------------------------


async def test_of_several_entries_all_are_put_or_none(there: Connection) -> None:
    await put(there, pro=plan({"stripe": "p"}))
    with pytest.raises(ProductBelongsToAnother):
        await put(there, free=plan(), max=plan({"stripe": "p"}), small=package())
    assert [entry.id for entry in await catalog.newest(there)] == ["pro"]


async def test_the_catalogue_has_an_end(there: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "MAX_ENTRIES", 2)
    monkeypatch.setattr(catalog, "MAX_VERSIONS", 3)
    await put(there, a=plan(), b=plan(), c=package())
    with pytest.raises(CatalogFull, match="at most 2 plans") as refused:
        await put(there, d=plan())
    assert refused.value.facts == {"limit": 2}
    for credits in (101, 102):
        await put(there, a=plan(credits=credits))
    with pytest.raises(CatalogFull, match="at most 3 versions of the plan 'a'"):
        await put(there, a=plan(credits=103))
    assert await put(there, a=plan(credits=102)) == [3]


async def test_at_the_same_time_each_change_gets_a_version_of_its_own(database: str) -> None:
    async def one(credits: int) -> int:
        async with await connect_async(database) as connection:
            return (await put(connection, pro=plan(credits=credits)))[0]

    assert sorted(await asyncio.gather(*map(one, range(1, 9)))) == list(range(1, 9))
    assert set(await asyncio.gather(*[one(99) for _ in range(4)])) == {9}


# Append-only ------------------------------------------------------------------------------------------------------

CHANGES = [
    "UPDATE billing.catalog SET body = '{}'",
    "UPDATE billing.catalog SET version = 7 WHERE false",
    "DELETE FROM billing.catalog",
    "TRUNCATE billing.catalog CASCADE",
    "UPDATE billing.products SET version = 2",
    "DELETE FROM billing.products",
    "TRUNCATE billing.products",
]


@pytest.mark.parametrize("statement", CHANGES)
async def test_nothing_is_ever_changed(database: str, there: Connection, statement: str) -> None:
    """Not by the service, not by the owner, and not by a replica either."""
    await put(there, pro=plan({"stripe": "p"}))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await there.execute(statement.encode())
    with psycopg.connect(owner(database), autocommit=True) as connection:
        for role in ("origin", "replica"):
            connection.execute(f"SET session_replication_role = {role}".encode())
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="is append-only"):
                connection.execute(statement.encode())
    assert await meaning(there, "p") == ("plan", "pro", 1, "monthly")


async def test_the_database_keeps_versions_apart(database: str, there: Connection) -> None:
    await put(there, pro=plan({"stripe": "p"}))
    again = "INSERT INTO billing.catalog SELECT kind, id, version, body, sha256, created_by FROM billing.catalog"
    with pytest.raises(psycopg.errors.UniqueViolation):
        await there.execute(again.encode())
    taken = "INSERT INTO billing.products SELECT provider, product_id, kind, id, version, 'x' FROM billing.products"
    with pytest.raises(psycopg.errors.UniqueViolation):
        await there.execute(taken.encode())
    unknown = "INSERT INTO billing.products VALUES ('stripe', 'q', 'plan', 'pro', 2, 'monthly')"
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        await there.execute(unknown.encode())


# Against a naive model ----------------------------------------------------------------------------------------------


class Step(NamedTuple):
    """One entry that is put."""

    id: str
    body: Plan


class NaiveCatalog:
    """The catalogue as its rules read: lists of versions, and who came first with a product."""

    def __init__(self) -> None:
        self.versions: dict[str, list[Plan]] = {}
        self.first: dict[str, tuple[str, int]] = {}

    def meaning(self, product_id: str) -> tuple[str, int] | None:
        """The entry and the version that a product means now."""
        if product_id not in self.first:
            return None
        entry_id, version = self.first[product_id]
        for number in range(len(self.versions[entry_id]), version, -1):
            if self.versions[entry_id][number - 1].applies_to == "all":
                return entry_id, number
        return entry_id, version

    def put(self, step: Step) -> bool:
        """Put an entry; False if it is refused."""
        there = self.versions.get(step.id, [])
        if there and there[-1] == step.body:
            return True
        for _, product_id in products_of(step.body):
            found = self.meaning(product_id)
            if found is None:
                continue
            if found[0] != step.id:
                return False
            if step.body.applies_to == "new" and terms(self.versions[found[0]][found[1] - 1]) != terms(step.body):
                return False
        self.versions.setdefault(step.id, []).append(step.body)
        for _, product_id in products_of(step.body):
            self.first.setdefault(product_id, (step.id, len(self.versions[step.id])))
        return True


STEPS = st.lists(
    st.builds(
        lambda name, product, credits, title, applies_to: Step(
            name, plan({"stripe": product}, credits=credits, name=title, applies_to=applies_to)
        ),
        st.sampled_from(["pro", "max"]),
        st.sampled_from(["p1", "p2", "p3"]),
        st.integers(1, 2),
        st.sampled_from(["One", "Two"]),
        st.sampled_from(["new", "new", "all"]),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
def test_whatever_is_put_the_rules_hold(server: TestServer, steps: list[Step]) -> None:
    with server.database() as database, asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_rules_hold(database, steps))


async def _rules_hold(database: str, steps: list[Step]) -> None:
    naive = NaiveCatalog()
    async with await connect_async(database) as connection:
        for step in steps:
            if naive.put(step):
                await put(connection, **{step.id: step.body})
            else:
                with pytest.raises(BillingRefused):
                    await put(connection, **{step.id: step.body})
            for product_id in ("p1", "p2", "p3"):
                found = await meaning(connection, product_id)
                assert (found and found[1:3]) == naive.meaning(product_id)
        for entry_id, versions in naive.versions.items():
            found_versions = await catalog.versions(connection, "plan", entry_id)
            assert [entry.body for entry in found_versions] == versions[::-1]
