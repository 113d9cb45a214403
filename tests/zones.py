"""The time zones that tests look at one by one."""

from functools import cache
from importlib.resources import files
from zoneinfo import available_timezones

_DATABASE = files("tzdata") / "zoneinfo"


@cache
def different_zones() -> list[str]:
    """A name for each zone of the IANA database, whose own name is taken where it has one.

    Half of all names are other names of a zone, with the same rules to the byte.
    """
    table = (_DATABASE / "zone1970.tab").read_text("utf-8").splitlines()
    own_names = [line.split("\t")[2] for line in table if not line.startswith("#")]
    names = [*sorted(available_timezones()), *own_names]
    return sorted({(_DATABASE / name).read_bytes(): name for name in names if (_DATABASE / name).is_file()}.values())
