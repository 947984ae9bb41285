"""How the tables came to be what they are: Alembic's surroundings (`env.py`) and its revisions.

A change of `tables.py` comes with a new file `versions/r<number>_<what>.py`, whose number goes to the end of
`statefile.REVISIONS`; a revision that was released is never changed.
"""
