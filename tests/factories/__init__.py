"""Valid trees of data: session → centre → province 99 → city → sites, and everything below.

``make_tree`` makes the whole ground; ``add_site``, ``make_passport`` and ``make_registration`` put
more on it. Each works on any writing session: it acts as the system for a moment and then gives
the session back to its owner, so what it returns is detached (all columns loaded, no lazy
relationships). All people are generated, of province 99.

``populate(url)`` does the same in a database of its own and commits.
"""

from tests.factories.flow import COUNTED, choose, enter, jpeg
from tests.factories.ground import (
    EXAM_DAYS,
    KEYRING,
    PROVINCE,
    SEED,
    SUBJECT_CODES,
    Tree,
    add_province,
    add_site,
    make_tree,
    permitted,
    plant,
    populate,
    seeding,
    set_capacity,
    set_settings,
    set_window,
    settings_row,
)
from tests.factories.people import (
    bind_administrator,
    id_number,
    make_passport,
    make_registration,
    person,
)

__all__ = [
    "COUNTED",
    "EXAM_DAYS",
    "KEYRING",
    "PROVINCE",
    "SEED",
    "SUBJECT_CODES",
    "Tree",
    "add_province",
    "add_site",
    "bind_administrator",
    "choose",
    "enter",
    "id_number",
    "jpeg",
    "make_passport",
    "make_registration",
    "make_tree",
    "permitted",
    "person",
    "plant",
    "populate",
    "seeding",
    "set_capacity",
    "set_settings",
    "set_window",
    "settings_row",
]
