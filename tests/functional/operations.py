"""The operations of the program itself, whatever samples other tests in this process declare."""

from agon.platform.http.operations import Operation
from agon.roles.api import routes

OPERATIONS: dict[str, Operation] = {each.opt["operation"].id: each.opt["operation"] for each in routes()}
