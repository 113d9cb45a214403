"""The people who sign in to this service."""

from typing import NamedTuple

from people.sign_in.deletion import Deletions
from people.sign_in.mail_choices import MailChoices
from people.sign_in.profiles import Profiles
from people.sign_in.recovery import Recovery
from people.sign_in.registrations import Registrations
from people.sign_in.sign_ins import SignIns, Surroundings
from people.sign_in.users import Users


class People(NamedTuple):
    """What a process does for people who sign in here."""

    sign_ins: SignIns
    registrations: Registrations
    recovery: Recovery
    profiles: Profiles
    deletions: Deletions
    mails: MailChoices
    users: Users

    @classmethod
    def around(cls, around: Surroundings) -> "People":
        """Its parts, which share their surroundings."""
        sign_ins = SignIns(around)
        recovery, profiles = Recovery(around, sign_ins), Profiles(around.log, around.clock)
        deletions = Deletions(around, sign_ins, recovery)
        mails, users = MailChoices(around.log, around.clock), Users(around.log, around.clock)
        return cls(sign_ins, Registrations(around, sign_ins), recovery, profiles, deletions, mails, users)
