"""Templates: the one place that needs Jinja, which is imported when somebody looks at a page for the first time."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

_ENVIRONMENT = Environment(
    loader=PackageLoader("goproxy_mirror.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def rendered(template: str, **values: str) -> str:
    """A template with these values, escaped for the page."""
    return _ENVIRONMENT.get_template(template).render(values)
