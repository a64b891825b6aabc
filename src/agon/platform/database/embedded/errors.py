class EmbeddedPostgresError(Exception):
    """The embedded server cannot be used; the message names the problem and the way out."""
