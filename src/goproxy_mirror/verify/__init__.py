"""Proof: what arrived is held against the signed record of the checksum database before anybody sees it."""
