"""The database: upstream's four tables, ours beside them, and the transactions over both."""
