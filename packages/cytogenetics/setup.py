"""Refuse a wheel: conf/ is read from the checkout."""

import sys

from setuptools import setup

if "bdist_wheel" in sys.argv:
    sys.exit("error: cytogenetics reads conf/ from its checkout: install it by pip install -e packages/cytogenetics")
setup()
