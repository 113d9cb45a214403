"""Names that might be anybody's, and are nobody's."""

from random import Random

_TEAMS = """
copperleaf paper-lantern granite-bay silver-birch tidewater orchard-nine blue-heron fern-and-fable quiet-harbour
red-kite lantern-hill marble-arcade cloudberry saltmarsh elderflower north-quay juniper-lane foxglove driftwood
seven-bridges pepper-mill amber-coast wild-thyme stone-ferry larkspur hazel-grove moonraker tall-ships winter-garden
olive-street
"""
_FIRST = """
maya jonas amara kenji lucia tomasz priya oluwaseun hanna mateo ines ravi sofia emeka yuki clara nadia felix leila
arjun freya diego mina anton zuri pavel elif noor oskar tala
"""
_LAST = """
okafor lindqvist tanaka moreau kowalska banerjee silveira adeyemi hartmann castellano novak whitfield sato mbeki larsen
petrova iyer fontaine dragic almeida brandt osei nakamura vasquez ekstrom rahimi
"""


class Names:
    """Each is given once."""

    def __init__(self, chance: Random) -> None:
        self.people = [f"{first}-{last}" for first in _FIRST.split() for last in _LAST.split()]
        self.teams = _TEAMS.split()
        self._chance = chance
        chance.shuffle(self.people)
        chance.shuffle(self.teams)

    def members(self, count: int) -> tuple[str, ...]:
        """Some of a team: first names, for a team knows its own."""
        return tuple(sorted(self._chance.sample(_FIRST.split(), count)))
