"""Use cases of accounts: they are given a transaction and commit nothing."""
