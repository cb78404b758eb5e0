"""Tests of datamodules/sources/."""
