"""The first page anyone sees of a new installation: it makes the first administrator."""

from agon.web.first_run.routes import ROUTES

__all__ = ["ROUTES"]
