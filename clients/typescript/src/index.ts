/** A client of the credit ledger: typed, with retries that do nothing twice. */
export { Account, Hold, Ledger } from "./ledger.js";
export type { LedgerOptions } from "./ledger.js";
export { Conflict, InsufficientCredits, Invalid, LedgerError, LimitReached, NoAnswer, NotAllowed, NotFound, Refused } from "./errors.js";
export type { components, paths } from "./schema.js";
