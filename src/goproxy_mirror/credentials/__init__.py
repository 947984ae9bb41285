"""What opens private places: which credential belongs to which URL, and where its secret is kept.

A credential belongs to a URL prefix: scheme (https alone), host, port, and path up to an element's end. Nobody else's URL
gets it, and whoever asks for it may put it into a header or into the environment of a program of ours, nowhere else.
"""
