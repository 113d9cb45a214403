"""Downloads of receipts, invoices and statements from the pages."""
