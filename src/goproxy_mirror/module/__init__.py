"""What a module is: paths, versions, patterns, go.mod, zip rules and hashes. Pure: nothing here reads or
writes.
"""
