"""The rules of an account, as pure functions. Only the standard library is used; time, ids and state are arguments."""
