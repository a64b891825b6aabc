"""All SQL of accounts, and what each of its constraints means."""
