"""PostgreSQL refuses to run as root: this makes a process of root's into one that it accepts.

1. A data directory that belongs to an ordinary user is served as that user.
2. Otherwise in a user namespace that calls root 1000: root's files stay reachable, every capability is gone.
3. Where namespaces are forbidden (many containers), as an unprivileged account, which gets the directory.
"""

import ctypes
import logging
import os
import pwd
from collections.abc import Callable
from pathlib import Path

from agon.platform.database.embedded.binaries import Binaries
from agon.platform.database.embedded.errors import EmbeddedPostgresError
from agon.platform.database.embedded.layout import Layout

UNPRIVILEGED_ACCOUNTS = ("postgres", "nobody", "daemon")
logger = logging.getLogger("keeper")

_CLONE_NEWUSER = 0x10000000
_ORDINARY_ID = 1000


def drop_root(layout: Layout, binaries: Binaries) -> str:
    """Gives up root's rights for good and returns how; raises EmbeddedPostgresError.

    Called once, before the process has threads, and after it has imported all it needs: the new user may not
    be able to read the interpreter's library.
    """
    if os.geteuid() != 0:
        return "as the ordinary user who asked"
    owner = layout.root.stat()
    if owner.st_uid != 0:
        if not _succeeds_in_child(lambda: _serve_as(owner.st_uid, owner.st_gid, layout.root, binaries)):
            raise EmbeddedPostgresError(
                f"{layout.root} belongs to user {owner.st_uid}, who cannot reach it or cannot run "
                f"{binaries.postgres}. Open the folders above them to that user, or give the directory to root"
            )
        _become(owner.st_uid, owner.st_gid)
        return f"as user {owner.st_uid}, who owns the directory"
    if _succeeds_in_child(_enter_user_namespace):
        _enter_user_namespace()
        return "in a user namespace without privileges"
    account = _reaching_account(layout, binaries)
    _give_tree(layout.root, account.pw_uid, account.pw_gid)
    _become(account.pw_uid, account.pw_gid)
    return f"as user {account.pw_name}"


def _reaching_account(layout: Layout, binaries: Binaries) -> pwd.struct_passwd:
    for name in UNPRIVILEGED_ACCOUNTS:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        uid, gid = account.pw_uid, account.pw_gid
        if _succeeds_in_child(lambda u=uid, g=gid: _serve_as(u, g, layout.root.parent, binaries)):
            return account
    raise EmbeddedPostgresError(
        "PostgreSQL does not run as root. User namespaces are not allowed here, and none of the accounts "
        f"{', '.join(UNPRIVILEGED_ACCOUNTS)} can reach both {layout.root.parent} and {binaries.postgres}. Run Agon "
        "as an ordinary user, or choose a data directory below a folder that everybody may enter"
    )


def _serve_as(uid: int, gid: int, folder: Path, binaries: Binaries) -> None:
    _become(uid, gid)
    for path in (folder, binaries.postgres, binaries.initdb):
        if not os.access(path, os.X_OK):
            raise PermissionError(path)


def _become(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def _enter_user_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"unshare: {os.strerror(number)}")
    own = Path("/proc/self")
    # user_namespaces(7): groups can only be mapped by an unprivileged process that has given up setgroups.
    (own / "setgroups").write_text("deny")
    (own / "uid_map").write_text(f"{_ORDINARY_ID} {uid} 1")
    (own / "gid_map").write_text(f"{_ORDINARY_ID} {gid} 1")


def _succeeds_in_child(attempt: Callable[[], None]) -> bool:
    # None of these steps can be taken back, so each is first tried in a process that ends afterwards.
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            attempt()
            code = 0
        except OSError as error:
            logger.info("not possible here: %s", error)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _give_tree(root: Path, uid: int, gid: int) -> None:
    os.chown(root, uid, gid)
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            os.chown(Path(folder, name), uid, gid, follow_symlinks=False)
