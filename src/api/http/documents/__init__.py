"""Receipts, invoices and monthly statements as PDF."""
