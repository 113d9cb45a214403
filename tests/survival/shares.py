"""What of the grants of a payment goes back with its money, credit by credit. It shares no code with the ledger."""

from math import lcm


def shares(amounts: list[int], part: int, whole: int) -> list[int]:
    """What of each grant is gone when `part` of the `whole` money is back.

    Of a grant of n credits, the k-th is due when k/n of the money is back. As many credits go back, in that order, as
    the proportion of all of them, rounded down. Of those that are due at once, one of an earlier grant goes first.
    """
    scale = lcm(*amounts)
    credits = sorted(
        (number * (scale // amount), place) for place, amount in enumerate(amounts) for number in range(1, amount + 1)
    )
    gone = [place for _, place in credits[: len(credits) * part // whole]]
    return [gone.count(place) for place in range(len(amounts))]
