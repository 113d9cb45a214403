"""A month with more events than a PDF has room for comes in parts: whole days together, as many as fit, and pieces of a
day that has too many itself."""

import re
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from audit.documents.attachment import attachment_of
from audit.documents.document import EnclosedStatement, from_attachment
from audit.documents.parts import packed
from audit.statements.form import from_file
from audit.verify.offline import Trusting, verify_path
from audit.verify.report import HOLDS
from tests.api.queries.year import BUSY, Year
from tests.api.stage import refused
from tests.dashboard.guests import ROOT, operator
from tests.proof.evidence import Silence

PATH = f"/v1/accounts/{BUSY}/statements/2024-10.pdf"
MOST = 60


def versions_in(pdf: bytes) -> list[int]:
    """The versions of the events of a statement."""
    evidence = from_attachment(attachment_of(pdf)).content.evidence
    assert isinstance(evidence, EnclosedStatement)
    return [one.record.version for one in from_file(evidence.file).content.events]


def test_the_parts_of_a_long_month_are_the_month(year: Year, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = versions_in(year.service.get(PATH).content)
    assert len(whole) > 2 * MOST
    monkeypatch.setattr("api.http.documents.documents.MOST_EVENTS", MOST)
    problem = refused(year.service.get(PATH), 422, "statement_too_long", limit=MOST)
    parts = [[int(day) for day in part.split("-")] for part in problem["parts"]]
    assert [part[0] for part in parts] == [1, *(part[1] + 1 for part in parts[:-1])]
    assert parts[-1][1] == 31
    found: list[int] = []
    answers = {days: year.service.get(PATH, days=days) for days in problem["parts"]}
    for days, answer in answers.items():
        assert f'filename="statement-2024-10-days-{days}.pdf"' in answer.headers["content-disposition"]
        said = versions_in(answer.content)
        assert len(said) <= MOST
        found += said
    assert found == whole
    last, newest = list(answers.items())[-1]
    (tmp_path / "part.pdf").write_bytes(newest.content)
    report = verify_path(tmp_path / "part.pdf", Trusting(), Silence())
    assert report.status == HOLDS, report.as_text()
    with closing(operator(year.service)) as browser:
        page = browser.get(f"{ROOT}/accounts/{BUSY}/statement.pdf?month=2024-10").text
        assert page.count(">Day") == len(parts)
        link = browser.get(f"{ROOT}/accounts/{BUSY}/statement.pdf?month=2024-10&days={last}")
        assert link.content == newest.content


def test_the_pieces_of_a_long_day_are_the_day(year: Year, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    most = 2
    monkeypatch.setattr("api.http.documents.documents.MOST_EVENTS", most)
    month = refused(year.service.get(PATH), 422, "statement_too_long")["parts"]
    [day, *_] = [found[1] for part in month if (found := re.fullmatch(r"(\d+)-\1/3", part))]
    problem = refused(year.service.get(PATH, days=f"{day}-{day}"), 422, "statement_too_long", limit=most)
    assert problem["parts"] == [f"{day}-{day}/{number}" for number in range(1, len(problem["parts"]) + 1)]
    assert problem["parts"] == [part for part in month if part.startswith(f"{day}-{day}/")]
    answers = [year.service.get(PATH, days=part) for part in problem["parts"]]
    assert f"-days-{day}-{day}-part-1.pdf" in answers[0].headers["content-disposition"]
    pieces = [versions_in(answer.content) for answer in answers]
    assert all(0 < len(piece) <= most for piece in pieces)
    for answer in answers:
        (tmp_path / "piece.pdf").write_bytes(answer.content)
        report = verify_path(tmp_path / "piece.pdf", Trusting(), Silence())
        assert report.status == HOLDS, report.as_text()
    refused(year.service.get(PATH, days=f"{day}-{day}/{len(pieces) + 1}"), 422, "validation_failed")
    with closing(operator(year.service)) as browser:
        path = f"{ROOT}/accounts/{BUSY}/statement.pdf?month=2024-10&days={day}-{day}"
        assert f">Day {day}, part 2</a>" in browser.get(path).text
        assert browser.get(f"{path}/2").content == answers[1].content
    monkeypatch.undo()
    assert [version for piece in pieces for version in piece] == versions_in(
        year.service.get(PATH, days=f"{day}-{day}").content
    )


def test_events_of_one_moment_are_not_parted(year: Year, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no room at all, each moment is a piece of its own, and too long."""
    monkeypatch.setattr("api.http.documents.documents.MOST_EVENTS", 0)
    parts = refused(year.service.get(PATH, days="7-7"), 422, "statement_too_long")["parts"]
    assert len(parts) > 1
    problem = refused(year.service.get(PATH, days=parts[0]), 422, "statement_too_long", parts=[parts[0]])
    assert "credit-ledger statement" in problem["detail"]


def test_a_full_piece_stays_as_it_is(year: Year, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever follows: of a longer time, the first pieces are the same."""
    monkeypatch.setattr("api.http.documents.documents.MOST_EVENTS", 5)
    some, more = (versions_in(year.service.get(PATH, days=f"7-{last}/1").content) for last in (9, 20))
    assert some == more
    assert len(some) <= 5


@pytest.mark.parametrize(
    "days", ["2-1", "0-3", "1-32", "1", "1-", "a-b", "01-2", "-1-2", "1-2/", "1-2/0", "1-2/x", "1-2/2"]
)
def test_days_that_are_none(year: Year, days: str) -> None:
    refused(year.service.get(PATH, days=days), 422, "validation_failed")
    with closing(operator(year.service)) as browser:
        answer = browser.get(f"{ROOT}/accounts/{BUSY}/statement.pdf", params={"month": "2024-10", "days": days})
        assert answer.status_code == 422


def test_a_month_without_these_days(year: Year) -> None:
    refused(year.service.get(f"/v1/accounts/{BUSY}/statements/2024-02.pdf", days="30-31"), 422, "validation_failed")


CASES: list[tuple[list[int], list[Any]]] = [
    ([], [(0, 0)]),
    ([0, 0], [(0, 2)]),
    ([1, 2, 3], [(0, 2), (2, 3)]),
    ([0, 9, 0, 3, 0], [(0, 2), (2, 5)]),
    ([3, 3, 0, 4], [(0, 1), (1, 3), (3, 4)]),
]


@pytest.mark.parametrize(("counts", "runs"), CASES)
def test_as_many_as_fit(counts: list[int], runs: list[Any]) -> None:
    found = list(packed(counts, 3))
    assert found == runs
    assert [one[1] for one in found[:-1]] == [one[0] for one in found[1:]]
    assert all(begin < behind for begin, behind in found if counts)
    assert all(sum(counts[a:b]) <= 3 or sum(map(bool, counts[a:b])) == 1 for a, b in found)
    assert all(sum(counts[a:d]) > 3 for (a, _), (_, d) in pairwise(found))
