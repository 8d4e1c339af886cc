"""Bytes and SQL: buckets, tables, the page ledger, search and exports."""
