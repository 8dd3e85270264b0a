"""The steps by which our own tables come to be; `vmha.adapters.db.migrate` runs them."""
