"""The bodies of what operators decide about webhooks."""

from api.contract.bodies import AccountIdText, Body, Text


class MatchBody(Body):
    """The account that the payments and subscriptions of a webhook belong to."""

    account_id: AccountIdText


class DismissBody(Body):
    """Why a webhook is given up."""

    reason: Text | None = None
