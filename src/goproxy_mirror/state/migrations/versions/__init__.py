"""The revisions, one file each; `statefile.REVISIONS` names them in their order."""
