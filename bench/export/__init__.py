"""Published results in the forms that other places read, derived from records like the tables."""

from bench.export.folder import check, write, write_all, written
from bench.export.formats import FORMATS, Chosen, Format, export

__all__ = ["FORMATS", "Chosen", "Format", "check", "export", "write", "write_all", "written"]
