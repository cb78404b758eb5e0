"""How a page is made of its template: strict about missing values, and nothing of the data is read as HTML."""

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

_LOADER = PackageLoader("evaluation.report")
_ENVIRONMENT = Environment(
    loader=_LOADER, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def render(template: str, **values: object) -> str:
    """Return a template of ``templates/`` with these values, and ``style`` of all pages, as HTML."""
    return _ENVIRONMENT.get_template(template).render(style=template_file("style.css"), **values)


def template_file(name: str) -> Markup:
    """Return a file of ``templates/`` as it is, such as a style or a script."""
    return Markup(_LOADER.get_source(_ENVIRONMENT, name)[0])
