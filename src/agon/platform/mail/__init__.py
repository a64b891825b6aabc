"""E-mail: messages, templates and the ways to send."""
