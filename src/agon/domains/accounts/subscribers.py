"""What accounts does when something has happened."""

from agon.contracts.accounts import AccountLoggedIn
from agon.domains.accounts.service import new_device
from agon.platform.events.subscribers import subscriber

SUBSCRIBERS = [subscriber("accounts.notify_new_device", AccountLoggedIn, new_device.notify)]
