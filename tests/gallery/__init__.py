"""Parts, models and tables that know or remember what they should not, each with an honest twin.

What people really write. The audit finds each by name, and passes its twin; `docs/trust.md` shows
the table, `python docs/trust.py` makes it.
"""

from gallery.models import MODELS
from gallery.parts import PARTS
from gallery.tables import TABLES

GALLERY = [*PARTS, *MODELS, *TABLES]
