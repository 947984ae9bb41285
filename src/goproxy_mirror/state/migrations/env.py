"""What Alembic runs for each command: on the connection that it is given, in that one's transaction."""

from __future__ import annotations

from alembic import context

from goproxy_mirror.state.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
