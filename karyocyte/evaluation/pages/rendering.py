"""How a page is made of its template: strict about missing values, and nothing of the data is read as HTML."""

from functools import cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from karyocyte.evaluation.tables.renderers import page

SHARED = "karyocyte.evaluation.pages"


def render(package: str, template: str, **values: object) -> str:
    """Return a template with these values, and ``style`` of all pages, as HTML; one in ``.md.j2`` as Markdown.

    Templates are those in the folder ``templates`` of a package (``karyocyte.workflows.report``) and of this one.
    """
    return _environment(package).get_template(template).render(style=template_file(SHARED, "style.css"), **values)


def template_file(package: str, name: str) -> Markup:
    """Return a file of the templates of a package as it is, such as a style or a script."""
    environment = _environment(package)
    assert environment.loader is not None
    return Markup(environment.loader.get_source(environment, name)[0])


@cache
def _environment(package: str) -> Environment:
    loader = ChoiceLoader([PackageLoader(package), PackageLoader(SHARED)])
    environment = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.autoescape = lambda template: not str(template).endswith(".md.j2")
    environment.globals["page"] = page
    return environment
