"""Guards of this repository: what ruff and pyright cannot say about it."""
