"""What the rest of Agon may call of accounts."""

from agon.domains.accounts.errors import (
    AccountNotFound,
    AuthBusy,
    AuthRateLimited,
    EmailTaken,
    EmailUnverified,
    InvalidCredentials,
    LinkInvalid,
    RegistrationClosed,
    TokenExpired,
    TokenInvalid,
    UsernameTaken,
    WeakPassword,
)
from agon.domains.accounts.rules.passwords import LONGEST_GIVEN as LONGEST_PASSWORD
from agon.domains.accounts.service.account import Account, own
from agon.domains.accounts.service.authenticator import TokenAuthenticator, account_tag, session_tag
from agon.domains.accounts.service.composition import Accounts
from agon.domains.accounts.service.keys import KeyStore, SigningKeyInvalid
from agon.domains.accounts.service.login import Attempt, Known, Unverified
from agon.domains.accounts.service.passwords import HashOptions
from agon.domains.accounts.service.policy import Policy
from agon.domains.accounts.service.published import Reader
from agon.domains.accounts.service.refresh import Reused
from agon.domains.accounts.service.registration import Applicant
from agon.domains.accounts.service.roles import Grant, grant_role, granted_roles, revoke_role
from agon.domains.accounts.service.sessions import end, end_all, log_out, log_out_everywhere
from agon.domains.accounts.service.signed_in import SignedIn
from agon.domains.accounts.service.tokens import NoSigningKey

__all__ = [
    "LONGEST_PASSWORD",
    "Account",
    "AccountNotFound",
    "Accounts",
    "Applicant",
    "Attempt",
    "AuthBusy",
    "AuthRateLimited",
    "EmailTaken",
    "EmailUnverified",
    "Grant",
    "HashOptions",
    "InvalidCredentials",
    "KeyStore",
    "Known",
    "LinkInvalid",
    "NoSigningKey",
    "Policy",
    "Reader",
    "RegistrationClosed",
    "Reused",
    "SignedIn",
    "SigningKeyInvalid",
    "TokenAuthenticator",
    "TokenExpired",
    "TokenInvalid",
    "Unverified",
    "UsernameTaken",
    "WeakPassword",
    "account_tag",
    "end",
    "end_all",
    "grant_role",
    "granted_roles",
    "log_out",
    "log_out_everywhere",
    "own",
    "revoke_role",
    "session_tag",
]
