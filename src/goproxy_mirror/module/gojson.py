"""JSON as the go command writes it, to the byte."""

from __future__ import annotations

import json
from typing import Any

# Go's encoder writes these so that JSON can stand in a page.
_ESCAPES = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})


def go_json(value: Any) -> bytes:
    """No spaces, no newline at the end; `<`, `>` and `&` escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.translate(_ESCAPES).encode()
