"""Documents: receipts, invoices and monthly statements as PDF. Each has its own proof attached, and can be checked."""
