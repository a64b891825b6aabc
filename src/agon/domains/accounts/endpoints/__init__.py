"""Accounts: signing up and in, staying signed in, and the roles and keys behind it."""

from agon.domains.accounts.endpoints import keys, own_account, registration, roles, sign_in

ROUTES = [*registration.ROUTES, *sign_in.ROUTES, *own_account.ROUTES, *roles.ROUTES, *keys.ROUTES]
