"""A client of the credit ledger, for asyncio and without it."""

from credit_ledger_client._async import AsyncAccount as AsyncAccount
from credit_ledger_client._async import AsyncHold as AsyncHold
from credit_ledger_client._async import AsyncLedger as AsyncLedger
from credit_ledger_client._sync import Account as Account
from credit_ledger_client._sync import Hold as Hold
from credit_ledger_client._sync import Ledger as Ledger
from credit_ledger_client.errors import Conflict as Conflict
from credit_ledger_client.errors import InsufficientCredits as InsufficientCredits
from credit_ledger_client.errors import Invalid as Invalid
from credit_ledger_client.errors import LedgerError as LedgerError
from credit_ledger_client.errors import LimitReached as LimitReached
from credit_ledger_client.errors import NoAnswer as NoAnswer
from credit_ledger_client.errors import NotAllowed as NotAllowed
from credit_ledger_client.errors import NotFound as NotFound
from credit_ledger_client.errors import Refused as Refused
