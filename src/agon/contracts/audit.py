"""Every action that the audit log can hold."""

from enum import StrEnum


class AuditAction(StrEnum):
    """One member for each sensitive operation; an operation of staff without one fails the build."""

    ACCOUNT_REGISTER = "account.register"
    ACCOUNT_LOGIN = "account.login"
    ACCOUNT_LOGIN_FAILED = "account.login_failed"
    ACCOUNT_LOGOUT = "account.logout"
    ACCOUNT_LOGOUT_ALL = "account.logout_all"
    ACCOUNT_REFRESH_REUSED = "account.refresh_reused"
    ROLE_GRANT = "role.grant"
    ROLE_REVOKE = "role.revoke"
    ROLE_READ = "role.read"
    SIGNING_KEY_ROTATE = "signing_key.rotate"
    FEATURE_CHANGE = "feature.change"
    FEATURE_READ = "feature.read"
    HEALTH_READ = "health.read"
    JOB_REQUEUE = "job.requeue"
    JOB_DISCARD = "job.discard"
