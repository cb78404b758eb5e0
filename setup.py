"""Refuse a wheel: conf/ and results/ are read from the checkout."""

import sys

from setuptools import setup

if "bdist_wheel" in sys.argv:
    sys.exit("error: Karyocyte reads conf/ and results/ from its checkout: install it by pip install -e .")
setup()
