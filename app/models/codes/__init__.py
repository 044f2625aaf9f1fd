"""Code tables of the country (domain §3): plain data, no database."""

from app.models.codes.outcomes import (
    GRADES,
    REJECTION_TYPES,
    VIOLATION_TYPES,
    Grade,
    RejectionType,
    ViolationType,
    grade_of,
)
from app.models.codes.people import (
    EDUCATIONS,
    ETHNIC_GROUPS,
    ID_TYPES,
    OCCUPATION_STUDENT,
    OCCUPATIONS,
    PROVINCES,
    SEXES,
    IdType,
    Sex,
)
from app.models.codes.subjects import (
    ACTIVE_SUBJECTS,
    LATEST_PERIOD,
    SUBJECT_LEVELS,
    SUBJECTS,
    SubjectCode,
)
from app.models.codes.table import Code, CodeTable

__all__ = [
    "ACTIVE_SUBJECTS",
    "EDUCATIONS",
    "ETHNIC_GROUPS",
    "GRADES",
    "ID_TYPES",
    "LATEST_PERIOD",
    "OCCUPATIONS",
    "OCCUPATION_STUDENT",
    "PROVINCES",
    "REJECTION_TYPES",
    "SEXES",
    "SUBJECTS",
    "SUBJECT_LEVELS",
    "VIOLATION_TYPES",
    "Code",
    "CodeTable",
    "Grade",
    "IdType",
    "RejectionType",
    "Sex",
    "SubjectCode",
    "ViolationType",
    "grade_of",
]
