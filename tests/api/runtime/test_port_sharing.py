"""Which sockets of a port get its new connections while another service drains: with real sockets of this kernel."""

import select
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing

import pytest

from api.runtime.listening.port_sharing import Row, give_to

CONNECTIONS = 30

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a program choose")


def listening(port: int) -> socket.socket:
    """One more socket of a port; 0 is any port."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind(("127.0.0.1", port))
    made.listen()
    return made


@pytest.fixture
def row() -> Iterator[list[socket.socket]]:
    """Four sockets of one port: those of an older service with two workers, then those of a newer one."""
    with ExitStack() as stack:
        first = stack.enter_context(listening(0))
        others = [stack.enter_context(listening(first.getsockname()[1])) for _ in range(3)]
        yield [first, *others]


def who_gets(sockets: Sequence[socket.socket]) -> set[int]:
    """The places, in a list of open sockets, of those that get new connections of their port."""
    address, found = sockets[0].getsockname(), set()
    for _ in range(CONNECTIONS):
        with closing(socket.create_connection(address, timeout=60)):
            [ready], _, _ = select.select(sockets, [], [], 60)
            ready.accept()[0].close()
            found.add(sockets.index(ready))
    return found


def test_all_sockets_get_connections_at_first(row: list[socket.socket]) -> None:
    assert len(who_gets(row)) > 1


@pytest.mark.parametrize("first", [0, 1])
def test_the_newer_service_gets_them_until_the_older_one_is_gone(row: list[socket.socket], first: int) -> None:
    give_to(row[0], Row([0, 1], 4).places_of_others)
    assert who_gets(row) == {2, 3}
    give_to(row[1], Row([0, 1], 4).places_that_stay)
    assert who_gets(row) == {2}
    row[first].close()
    assert who_gets([row[1 - first], *row[2:]]) == {1}
    row[1 - first].close()
    assert who_gets(row[2:]) == {0, 1}


@pytest.mark.parametrize("first", [2, 3])
def test_the_older_service_gets_them_when_the_newer_one_goes(row: list[socket.socket], first: int) -> None:
    give_to(row[2], Row([2, 3], 4).places_of_others)
    assert who_gets(row) == {0, 1}
    give_to(row[3], Row([2, 3], 4).places_that_stay)
    row[first].close()
    assert who_gets([*row[:2], row[5 - first]]) == {0, 1}
    row[5 - first].close()
    assert who_gets(row[:2]) == {0, 1}


@pytest.mark.parametrize(
    ("own", "length", "others", "stay"),
    [
        ([0], 1, [], []),
        ([0], 2, [1], [1]),
        ([1], 2, [0], [0]),
        ([0, 1], 3, [2], [2]),
        ([0, 1], 4, [2, 3], [2]),
        ([2, 3], 4, [0, 1], [0, 1]),
        ([0], 3, [1, 2], [1]),
        ([2, 3], 6, [], []),  # between two other services
        ([0, 3], 4, [], []),  # a worker was started again
        ([0, 2], 4, [], []),  # both services were started at once
    ],
)
def test_the_places_of_the_other_service(own: list[int], length: int, others: list[int], stay: list[int]) -> None:
    row = Row(own, length)
    assert list(row.places_of_others) == others
    assert list(row.places_that_stay) == stay
