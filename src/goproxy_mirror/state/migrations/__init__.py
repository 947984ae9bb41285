"""How the tables came to be what they are: Alembic's surroundings (`env.py`) and its revisions."""
