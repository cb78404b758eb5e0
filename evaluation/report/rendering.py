"""How a page is made of its template: strict about missing values, and nothing of the data is read as HTML."""

import base64

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from common.thumbnails import encode
from evaluation.renderers import page

_LOADER = PackageLoader("evaluation.report")
_ENVIRONMENT = Environment(
    loader=_LOADER, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_ENVIRONMENT.globals["page"] = page


def render(template: str, **values: object) -> str:
    """Return a template of ``templates/`` with these values, and ``style`` of all pages, as HTML."""
    return _ENVIRONMENT.get_template(template).render(style=template_file("style.css"), **values)


def template_file(name: str) -> Markup:
    """Return a file of ``templates/`` as it is, such as a style or a script."""
    return Markup(_LOADER.get_source(_ENVIRONMENT, name)[0])


def data_uri(pixels: np.ndarray, size: int) -> str:
    """Return a picture, uint8 RGB, as a source of an image within the page, of at most ``size`` pixels."""
    return f"data:image/webp;base64,{base64.b64encode(encode(pixels, size)).decode()}"
