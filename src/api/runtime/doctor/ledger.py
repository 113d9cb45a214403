"""What the ledger is like in its database: checkpoints, projections, and the keys of its callers."""

from datetime import UTC, datetime, timedelta

from api.runtime.doctor.finding import Finding, listed
from api.runtime.settings import Settings, variable
from ledger.postgres.connecting import connect_async
from ledger.proof.status import CheckpointStatus, CheckpointWatch
from ledger.store import Connection, Reader
from people.api_keys import ApiKey, list_keys
from projections.checks.watch import drift
from projections.engine.builds import BuildState, build_states, live
from projections.models.catalog import PROJECTIONS
from projections.models.projection import Projection

_SOON = timedelta(days=14)
_LATE = timedelta(minutes=1)
_IS_IT_RUNNING = "start the service; if it runs, look into its log and restart it"


async def ledger_findings(settings: Settings, conninfo: str) -> list[Finding]:
    """Look at a migrated database. Raises psycopg.Error."""
    async with await connect_async(conninfo) as connection:
        watch = CheckpointWatch(settings.signing, settings.checkpoints)
        found = [_checkpoints(await watch.status(connection))]
        found += await _projections(connection)
    return [*found, _keys(settings, list_keys(conninfo))]


def _checkpoints(status: CheckpointStatus) -> Finding:
    behind = status.position - (status.size or 0)
    if status.holds is False:
        advice = "see docs/operations.md, Backup and restore: `credit-ledger serve` does not start"
        return Finding("proof", "problem", f"the log does not match its newest checkpoint ({status.problem})", advice)
    if status.problem is not None:
        return Finding(
            "proof", "problem", f"nothing is signed ({status.problem})", "see docs/operations.md, Checkpoints"
        )
    if status.signed_at is None:
        if status.position:
            return Finding("proof", "warning", f"no checkpoint of {status.position:,} events", _IS_IT_RUNNING)
        return Finding("proof", "ok", "there is no event to sign")
    found = f"the newest checkpoint has {status.size:,} of {status.position:,} events"
    if behind > 0 and datetime.now(UTC) - status.signed_at > _LATE:
        return Finding("proof", "warning", found, _IS_IT_RUNNING)
    return Finding("proof", "ok", found)


async def _projections(connection: Connection) -> list[Finding]:
    states = await build_states(connection, [live(one) for one in PROJECTIONS])
    end = await Reader(connection).last_position()
    wrong = [found for one in PROJECTIONS if (found := _projection(one, states.get(one.schema)))]
    late = {one.name: lacks for one in PROJECTIONS if (lacks := _lacking(one, states.get(one.schema), end))}
    if late:
        lacking = f"{listed(list(late))} {'lacks' if len(late) == 1 else 'lack'} {max(late.values()):,} events"
        wrong.append(Finding("projections", "warning", lacking, _IS_IT_RUNNING))
    drifted = sorted({name for _, name in (await drift(connection)).wrong})
    if drifted:
        advice = f"run `credit-ledger rebuild {' '.join(drifted)}`"
        wrong.append(Finding("projections", "problem", f"{listed(drifted)} differ from the events", advice))
    return wrong or [Finding("projections", "ok", f"all {len(PROJECTIONS)} have the events up to {end:,}")]


def _lacking(one: Projection, at: BuildState | None, end: int) -> int:
    """The events that a projection lacks although nothing keeps it from them."""
    if at is None or at.stopped_at is not None or at.version != one.version:
        return 0
    late = at.as_of is None or datetime.now(UTC) - at.as_of > _LATE
    return end - at.position if late else 0


def _projection(one: Projection, at: BuildState | None) -> Finding | None:
    """What is wrong with a projection; None if nothing is."""
    if at is None:
        return Finding("projections", "warning", f"{one.name} is not built", "the next start builds it")
    if at.stopped_at is not None:
        found = f"{one.name} stopped at event {at.stopped_at:,} ({(at.problem or '').partition(chr(10))[0]})"
        advice = f"mend the cause, then restart the service or run `credit-ledger rebuild {one.name}`"
        return Finding("projections", "problem", found, advice)
    if at.version != one.version:
        found = f"{one.name} has version {at.version}, this program has {one.version}"
        return Finding("projections", "warning", found, "the next start builds it anew")
    return None


def _keys(settings: Settings, keys: list[ApiKey]) -> Finding:
    now = datetime.now(UTC)
    usable = [key for key in keys if key.account_id is None and key.usable(now)]
    ending = [key.prefix for key in usable if key.expires_at is not None and key.expires_at - now < _SOON]
    if not usable and settings.admin_key is None:
        advice = f"run `credit-ledger keys create`, or set {variable('admin_key')}"
        return Finding("keys", "warning", "no API key is usable", advice)
    if ending:
        advice = "run `credit-ledger keys create` and replace it"
        return Finding("keys", "warning", f"{listed(ending)} expires within {_SOON.days} days", advice)
    return Finding("keys", "ok", f"{len(usable)} usable" + (", and that of the settings" if settings.admin_key else ""))
