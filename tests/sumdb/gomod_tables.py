"""Keys, notes, trees and paths of golang.org/x/mod's own tests (sumdb/note, sumdb/tlog and sumdb/client_test.go).

The data in this file are Copyright 2019 The Go Authors, and used under their BSD-3-Clause licence, which is at
https://go.googlesource.com/mod/+/refs/heads/master/LICENSE.
"""

from __future__ import annotations

PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"

WRONG_LENGTH = "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY=="
UNKNOWN_ALGORITHM = "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"

TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETERS = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
ENOCHS = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"

MALFORMED_NOTES: dict[str, str | bytes] = {
    "no signatures": TEXT,
    "no signatures behind the blank line": TEXT + "\n",
    "no newline at the end": TEXT + "\n" + PETERS[:-1],
    "a control character": "\x01" + TEXT + "\n" + PETERS,
    "not UTF-8": b"\xff" + TEXT.encode() + b"\n" + PETERS.encode(),
    "a name with a space": TEXT
    + "\n— Bad Name x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=",
    "a line that is no signature": TEXT + "\n" + PETERS + "Unexpected line.\n",
    "101 signatures": TEXT + "\n" + PETERS * 101,
}

TREE = "go.sum database tree\n123456789012\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n"
TREE_SIZE = 123456789012
TREE_ROOT_IS_OF = b"hello world"

MALFORMED_TREES = (
    "not-" + TREE,
    "go.sum database tree\n0xabcdef\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n",
    "go.sum database tree\n123456789012\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBTOOBIG=\n",
)
LONGER_TREES = (TREE + "JOE", TREE + "JOE\n", TREE + "JOE\n" * 1000)

RECORD = b"123456789012\nhello, world\n\njunk on end\x01\xff"
MALFORMED_RECORDS = (
    b"not-123456789012\nhello, world\n\n",
    b"123\nhello\x01world\n\n",
    b"123\nhello\xffworld\n\n",
    b"123\nhello world\n",
    b"0x123\nhello world\n\n",
)

TILE_PATHS = {
    # path: height, level, index, width; or nothing where the path is malformed
    "tile/4/0/001": (4, 0, 1, 16),
    "tile/4/0/001.p/5": (4, 0, 1, 5),
    "tile/3/5/x123/x456/078": (3, 5, 123456078, 8),
    "tile/3/5/x123/x456/078.p/2": (3, 5, 123456078, 2),
    "tile/1/0/x003/x057/500": (1, 0, 3057500, 2),
    "tile/3/5/123/456/078": None,
    "tile/3/-1/123/456/078": None,
    "tile/1/data/x003/x057/500": (1, -1, 3057500, 2),
}

CLIENT_KEY = "localhost.localdev/sumdb+00000c67+AcTrnkbUA+TU4heY3hkjiSES/DSQniBqIeQ/YppAUtK6"
CLIENT_PRIVATE_KEY = "e7r6hpVo5i5A4Wt/VXn0krWjBwWUlwfDBccN8MbFI+Q="
CLIENT_RECORDS = {
    "rsc.io/quote@v1.5.2": (
        "rsc.io/quote v1.5.2 h1:w5fcysjrx7yqtD/aO+QwRjYZOKnaM9Uh2b40tElTs3Y=\n"
        "rsc.io/quote v1.5.2/go.mod h1:LzX7hefJvL54yjefDEDHNONDjII0t9xZLPXsUe+TKr0=\n"
        "rsc.io/quote v1.5.2 h2:xyzzy\n"
    ),
    "golang.org/x/text@v0.0.0-20170915032832-14c0d48ead0c": (
        "golang.org/x/text v0.0.0-20170915032832-14c0d48ead0c h1:qgOY6WgZOaTkIIMiVjBQcw93ERBE4m30iBm00nkL0i8=\n"
        "golang.org/x/text v0.0.0-20170915032832-14c0d48ead0c/go.mod h1:NqM8EUOU14njkJ3fqMW+pc6Ldnwhi/IjpwHt7yyuwOQ=\n"
    ),
    "rsc.io/sampler@v1.3.0": (
        "rsc.io/sampler v1.3.0 h1:7uVkIFmeBqHfdjD+gZwtXXI+RODJ2Wc4O7MPEh/QiW4=\n"
        "rsc.io/sampler v1.3.0/go.mod h1:T1hPZKmBbMNahiBKFy5HrXp6adAjACjK9JXDnKaTXpA=\n"
    ),
    "rsc.io/Quote@v1.5.2": "rsc.io/Quote v1.5.2 h1:uppercase!=\n",
}
FORK_RECORDS = ("rsc.io/pkg1@v1.5.2", "rsc.io/pkg1@v1.5.3", "rsc.io/pkg1@v1.5.4")
FORK_ROOTS = ("nWzN20+pwMt62p7jbv1/NlN95ePTlHijabv5zO/s36w=", "wc4SkQt52o5W2nQ8To2ARs+mWuUJjss+sdleoiqxMmM=")
FORK_SIGNATURES = ("AAAMZ5/2FVAd", "AAAMZ6oRNswl")
FORK_PROOF = "T7i+H/8ER4nXOiw4Bj0koZOkGjkxoNvlI34GpvhHhQg="
