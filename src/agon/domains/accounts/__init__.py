"""Accounts: who you are, how you prove it, what you may do."""
