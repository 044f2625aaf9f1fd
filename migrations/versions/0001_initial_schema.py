"""Initial schema

Revision 0001, after none.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.database import types

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("at", types.UtcDateTime(), nullable=False),
        sa.Column("exam_id", types.Big, nullable=True),
        sa.Column("province_id", types.Big, nullable=True),
        sa.Column("city_id", types.Big, nullable=True),
        sa.Column("site_id", types.Big, nullable=True),
        sa.Column("passport_id", types.Big, nullable=True),
        sa.Column("actor_name", sa.String(length=60), nullable=False),
        sa.Column("actor_level", sa.String(length=10), nullable=False),
        sa.Column("organisation_code", sa.String(length=6), nullable=False),
        sa.Column("on_behalf_of", sa.String(length=6), nullable=True),
        sa.Column("action", sa.String(length=80), nullable=False),
        sa.Column("object_type", sa.String(length=40), nullable=False),
        sa.Column("object_id", types.Big, nullable=True),
        sa.Column("object_title", sa.String(length=100), nullable=False),
        sa.Column("changes", types.Json, nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=True),
        sa.Column("request_id", sa.String(length=40), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("sealed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entry")),
    )
    with op.batch_alter_table("audit_entry", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_audit_entry_exam_id_id"), ["exam_id", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_audit_entry_object_type_object_id"),
            ["object_type", "object_id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_audit_entry_passport_id_id"), ["passport_id", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_audit_entry_sealed_id"), ["sealed", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_audit_entry_site_id_id"), ["site_id", "id"], unique=False
        )

    op.create_table(
        "audit_seal",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("entry_ids", types.Json, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("sealed_at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_seal")),
        sa.UniqueConstraint("sequence", name=op.f("uq_audit_seal_sequence")),
    )
    op.create_table(
        "code_entry",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("table_name", sa.String(length=20), nullable=False),
        sa.Column("code", sa.String(length=4), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_code_entry")),
        sa.UniqueConstraint("table_name", "code", name=op.f("uq_code_entry_table_name_code")),
    )
    op.create_table(
        "exam",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=2), nullable=False),
        sa.Column("title", sa.String(length=60), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("age_min", sa.Integer(), nullable=False),
        sa.Column("age_max", sa.Integer(), nullable=False),
        sa.Column("release_at", types.UtcDateTime(), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("age_min >= 0 AND age_max >= age_min", name=op.f("ck_exam_ages")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exam")),
        sa.UniqueConstraint("number", name=op.f("uq_exam_number")),
    )
    with op.batch_alter_table("exam", schema=None) as batch_op:
        batch_op.create_index(
            "uq_exam_one_current",
            ["state"],
            unique=True,
            postgresql_where=sa.text("state = 'current'"),
            sqlite_where=sa.text("state = 'current'"),
        )

    op.create_table(
        "outbox_message",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("channel", sa.String(length=4), nullable=False),
        sa.Column("target", types.Encrypted(254), nullable=False),
        sa.Column("subject", sa.String(length=100), nullable=False),
        sa.Column("body", types.Encrypted(2000), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sent_at", types.UtcDateTime(), nullable=True),
        sa.Column("error", sa.String(length=200), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_message")),
    )
    with op.batch_alter_table("outbox_message", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_outbox_message_state_id"), ["state", "id"], unique=False
        )

    op.create_table(
        "passport",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=30), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("mobile", types.Encrypted(20), nullable=True),
        sa.Column("mobile_digest", sa.String(length=64), nullable=True),
        sa.Column("pending_email", sa.String(length=254), nullable=True),
        sa.Column("pending_mobile", types.Encrypted(20), nullable=True),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("password_changed_at", types.UtcDateTime(), nullable=True),
        sa.Column("must_change", sa.Boolean(), nullable=False),
        sa.Column("invited_at", types.UtcDateTime(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("session_version", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("locked_until", types.UtcDateTime(), nullable=True),
        sa.Column("totp_secret", types.Encrypted(64), nullable=True),
        sa.Column("totp_confirmed", sa.Boolean(), nullable=False),
        sa.Column("totp_last_step", types.Big, nullable=True),
        sa.Column("origin", sa.String(length=10), nullable=False),
        sa.Column("terms_version", sa.String(length=20), nullable=True),
        sa.Column("terms_accepted_at", types.UtcDateTime(), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_passport_email_lower")),
        sa.CheckConstraint(
            "email IS NOT NULL OR mobile_digest IS NOT NULL", name=op.f("ck_passport_reachable")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passport")),
        sa.UniqueConstraint("email", name=op.f("uq_passport_email")),
        sa.UniqueConstraint("mobile_digest", name=op.f("uq_passport_mobile_digest")),
        sa.UniqueConstraint("number", name=op.f("uq_passport_number")),
    )
    with op.batch_alter_table("passport", schema=None) as batch_op:
        batch_op.create_index(
            "ix_passport_uninvited",
            ["id"],
            unique=False,
            postgresql_where=sa.text("must_change AND invited_at IS NULL"),
            sqlite_where=sa.text("must_change AND invited_at IS NULL"),
        )

    op.create_table(
        "rate_limit",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("bucket", sa.String(length=100), nullable=False),
        sa.Column("window_start", types.UtcDateTime(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rate_limit")),
        sa.UniqueConstraint(
            "bucket", "window_start", name=op.f("uq_rate_limit_bucket_window_start")
        ),
    )
    op.create_table(
        "role",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=30), nullable=False),
        sa.Column("label", sa.String(length=30), nullable=False),
        sa.Column("level", sa.String(length=10), nullable=True),
        sa.Column("built_in", sa.Boolean(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role")),
        sa.UniqueConstraint("name", name=op.f("uq_role_name")),
    )
    op.create_table(
        "role_baseline",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("role", sa.String(length=30), nullable=False),
        sa.Column("declaration", sa.String(length=60), nullable=False),
        sa.Column("verb", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role_baseline")),
        sa.UniqueConstraint(
            "role", "declaration", "verb", name=op.f("uq_role_baseline_role_declaration_verb")
        ),
    )
    op.create_table(
        "role_grant",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("role", sa.String(length=30), nullable=False),
        sa.Column("declaration", sa.String(length=60), nullable=False),
        sa.Column("verb", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role_grant")),
        sa.UniqueConstraint(
            "role", "declaration", "verb", name=op.f("uq_role_grant_role_declaration_verb")
        ),
    )
    op.create_table(
        "sandbox_payment",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("order_number", sa.String(length=32), nullable=False),
        sa.Column("amount", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("transaction_number", sa.String(length=64), nullable=True),
        sa.Column("notify_at", types.UtcDateTime(), nullable=True),
        sa.Column("notify_times", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sandbox_payment")),
        sa.UniqueConstraint("order_number", name=op.f("uq_sandbox_payment_order_number")),
    )
    op.create_table(
        "setting",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("value", types.Json, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_setting")),
        sa.UniqueConstraint("name", name=op.f("uq_setting_name")),
    )
    op.create_table(
        "student_record",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("province_code", sa.String(length=6), nullable=True),
        sa.Column("city_code", sa.String(length=6), nullable=True),
        sa.Column("site_code", sa.String(length=6), nullable=True),
        sa.Column("ethnic", sa.String(length=2), nullable=False),
        sa.Column("education", sa.String(length=2), nullable=False),
        sa.Column("name", sa.String(length=30), nullable=False),
        sa.Column("sex", sa.String(length=1), nullable=False),
        sa.Column("birth", sa.Date(), nullable=False),
        sa.Column("id_type", sa.String(length=1), nullable=False),
        sa.Column("id_number", types.Encrypted(30), nullable=False),
        sa.Column("id_digest", sa.String(length=64), nullable=False),
        sa.Column("occupation", sa.String(length=2), nullable=True),
        sa.Column("department", sa.String(length=50), nullable=True),
        sa.Column("major", sa.String(length=50), nullable=True),
        sa.Column("class_name", sa.String(length=50), nullable=True),
        sa.Column("student_number", sa.String(length=30), nullable=True),
        sa.Column("postcode", sa.String(length=6), nullable=True),
        sa.Column("address", sa.String(length=100), nullable=True),
        sa.Column("mobile", types.Encrypted(20), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("remark", sa.String(length=200), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_student_record")),
        sa.UniqueConstraint("id_digest", name=op.f("uq_student_record_id_digest")),
    )
    with op.batch_alter_table("student_record", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_student_record_name"), ["name"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_student_record_province_code_id"), ["province_code", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_student_record_site_code_id"), ["site_code", "id"], unique=False
        )

    op.create_table(
        "subject",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("code", sa.String(length=2), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("level", sa.String(length=1), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subject")),
        sa.UniqueConstraint("code", name=op.f("uq_subject_code")),
    )
    op.create_table(
        "verification_code",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("target_digest", sa.String(length=64), nullable=False),
        sa.Column("code_digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("expires_at", types.UtcDateTime(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("used_at", types.UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verification_code")),
    )
    with op.batch_alter_table("verification_code", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_verification_code_target_digest_purpose"),
            ["target_digest", "purpose"],
            unique=False,
        )

    op.create_table(
        "admin_binding",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("province_code", sa.String(length=6), nullable=True),
        sa.Column("city_code", sa.String(length=6), nullable=True),
        sa.Column("site_code", sa.String(length=6), nullable=True),
        sa.Column("passport_id", types.Big, nullable=False),
        sa.Column("organisation_code", sa.String(length=6), nullable=False),
        sa.Column("level", sa.String(length=10), nullable=False),
        sa.Column("name", sa.String(length=30), nullable=False),
        sa.Column("is_super", sa.Boolean(), nullable=False),
        sa.Column("extra_roles", types.Json, nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["passport_id"], ["passport.id"], name=op.f("fk_admin_binding_passport_id_passport")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_admin_binding")),
        sa.UniqueConstraint("passport_id", name=op.f("uq_admin_binding_passport_id")),
    )
    with op.batch_alter_table("admin_binding", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_admin_binding_organisation_code"), ["organisation_code"], unique=False
        )

    op.create_table(
        "exam_province",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("province_code", sa.String(length=2), nullable=False),
        sa.ForeignKeyConstraint(
            ["exam_id"], ["exam.id"], name=op.f("fk_exam_province_exam_id_exam")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exam_province")),
        sa.UniqueConstraint(
            "exam_id", "province_code", name=op.f("uq_exam_province_exam_id_province_code")
        ),
    )
    op.create_table(
        "exam_subject",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("subject_code", sa.String(length=2), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("level", sa.String(length=1), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["exam_id"], ["exam.id"], name=op.f("fk_exam_subject_exam_id_exam")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exam_subject")),
        sa.UniqueConstraint(
            "exam_id", "subject_code", name=op.f("uq_exam_subject_exam_id_subject_code")
        ),
    )
    op.create_table(
        "organisation",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("parent_id", types.Big, nullable=True),
        sa.Column("province_id", types.Big, nullable=True),
        sa.Column("city_id", types.Big, nullable=True),
        sa.Column("site_id", types.Big, nullable=True),
        sa.Column("level", sa.String(length=10), nullable=False),
        sa.Column("code", sa.String(length=6), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("short_name", sa.String(length=20), nullable=True),
        sa.Column("address", sa.String(length=100), nullable=True),
        sa.Column("postcode", sa.String(length=6), nullable=True),
        sa.Column("principal", sa.String(length=30), nullable=True),
        sa.Column("contact", sa.String(length=30), nullable=True),
        sa.Column("telephone", sa.String(length=30), nullable=True),
        sa.Column("mobile", sa.String(length=20), nullable=True),
        sa.Column("fax", sa.String(length=30), nullable=True),
        sa.Column("email", sa.String(length=120), nullable=True),
        sa.Column("remark", sa.String(length=200), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("reviewed", sa.String(length=10), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["exam_id"], ["exam.id"], name=op.f("fk_organisation_exam_id_exam")
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["organisation.id"], name=op.f("fk_organisation_parent_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisation")),
        sa.UniqueConstraint("exam_id", "code", name=op.f("uq_organisation_exam_id_code")),
    )
    with op.batch_alter_table("organisation", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_organisation_exam_id_parent_id"), ["exam_id", "parent_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_organisation_exam_id_province_id_level"),
            ["exam_id", "province_id", "level"],
            unique=False,
        )

    op.create_table(
        "password_history",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("passport_id", types.Big, nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(
            ["passport_id"], ["passport.id"], name=op.f("fk_password_history_passport_id_passport")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_password_history")),
    )
    with op.batch_alter_table("password_history", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_password_history_passport_id_id"), ["passport_id", "id"], unique=False
        )

    op.create_table(
        "arrangement_run",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("province_id", types.Big, nullable=True),
        sa.Column("city_id", types.Big, nullable=True),
        sa.Column("site_id", types.Big, nullable=True),
        sa.Column("mode", sa.String(length=20), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("placed", sa.Integer(), nullable=False),
        sa.Column("unplaced", types.Json, nullable=False),
        sa.Column("bound", sa.Integer(), nullable=True),
        sa.Column("proven", sa.Boolean(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["city_id"], ["organisation.id"], name=op.f("fk_arrangement_run_city_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["exam_id"], ["exam.id"], name=op.f("fk_arrangement_run_exam_id_exam")
        ),
        sa.ForeignKeyConstraint(
            ["province_id"],
            ["organisation.id"],
            name=op.f("fk_arrangement_run_province_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["organisation.id"], name=op.f("fk_arrangement_run_site_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_arrangement_run")),
    )
    op.create_table(
        "capacity_pool",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("province_id", types.Big, nullable=True),
        sa.Column("city_id", types.Big, nullable=True),
        sa.Column("site_id", types.Big, nullable=True),
        sa.Column("pool", sa.String(length=12), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "capacity >= 0 AND capacity <= 99999", name=op.f("ck_capacity_pool_capacity")
        ),
        sa.CheckConstraint(
            "used >= 0 AND used <= capacity", name=op.f("ck_capacity_pool_not_oversold")
        ),
        sa.ForeignKeyConstraint(
            ["city_id"], ["organisation.id"], name=op.f("fk_capacity_pool_city_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["exam_id"], ["exam.id"], name=op.f("fk_capacity_pool_exam_id_exam")
        ),
        sa.ForeignKeyConstraint(
            ["province_id"],
            ["organisation.id"],
            name=op.f("fk_capacity_pool_province_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["organisation.id"], name=op.f("fk_capacity_pool_site_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_capacity_pool")),
        sa.UniqueConstraint(
            "exam_id", "site_id", "pool", name=op.f("uq_capacity_pool_exam_id_site_id_pool")
        ),
    )
    with op.batch_alter_table("capacity_pool", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_capacity_pool_exam_id_province_id_pool"),
            ["exam_id", "province_id", "pool"],
            unique=False,
        )

    op.create_table(
        "class_option",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("province_id", types.Big, nullable=True),
        sa.Column("city_id", types.Big, nullable=True),
        sa.Column("site_id", types.Big, nullable=True),
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["city_id"], ["organisation.id"], name=op.f("fk_class_option_city_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["exam_id"], ["exam.id"], name=op.f("fk_class_option_exam_id_exam")
        ),
        sa.ForeignKeyConstraint(
            ["province_id"],
            ["organisation.id"],
            name=op.f("fk_class_option_province_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["organisation.id"], name=op.f("fk_class_option_site_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_class_option")),
        sa.UniqueConstraint(
            "exam_id", "site_id", "name", name=op.f("uq_class_option_exam_id_site_id_name")
        ),
    )
    op.create_table(
        "default_settings",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("province_id", types.Big, nullable=True),
        sa.Column("city_id", types.Big, nullable=True),
        sa.Column("site_id", types.Big, nullable=True),
        sa.Column("organisation_id", types.Big, nullable=False),
        sa.Column("cities_entrusted", sa.Boolean(), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("collective_registration", sa.Boolean(), nullable=False),
        sa.Column("collective_payment", sa.Boolean(), nullable=False),
        sa.Column("review_required", sa.Boolean(), nullable=False),
        sa.Column("class_required", sa.Boolean(), nullable=False),
        sa.Column("max_subjects", sa.Integer(), nullable=False),
        sa.Column("self_printing", sa.Boolean(), nullable=False),
        sa.Column("preference_allowed", sa.Boolean(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "max_subjects BETWEEN 1 AND 3", name=op.f("ck_default_settings_max_subjects")
        ),
        sa.ForeignKeyConstraint(
            ["city_id"], ["organisation.id"], name=op.f("fk_default_settings_city_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["exam_id"], ["exam.id"], name=op.f("fk_default_settings_exam_id_exam")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("fk_default_settings_organisation_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["province_id"],
            ["organisation.id"],
            name=op.f("fk_default_settings_province_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["organisation.id"], name=op.f("fk_default_settings_site_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_default_settings")),
        sa.UniqueConstraint(
            "exam_id", "organisation_id", name=op.f("uq_default_settings_exam_id_organisation_id")
        ),
    )
    op.create_table(
        "exam_day",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("province_id", types.Big, nullable=True),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["exam_id"], ["exam.id"], name=op.f("fk_exam_day_exam_id_exam")),
        sa.ForeignKeyConstraint(
            ["province_id"], ["organisation.id"], name=op.f("fk_exam_day_province_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exam_day")),
        sa.UniqueConstraint(
            "exam_id", "province_id", "day", name=op.f("uq_exam_day_exam_id_province_id_day")
        ),
    )
    with op.batch_alter_table("exam_day", schema=None) as batch_op:
        batch_op.create_index(
            "uq_exam_day_national",
            ["exam_id", "day"],
            unique=True,
            postgresql_where=sa.text("province_id IS NULL"),
            sqlite_where=sa.text("province_id IS NULL"),
        )

    op.create_table(
        "fee",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("province_id", types.Big, nullable=True),
        sa.Column("city_id", types.Big, nullable=True),
        sa.Column("site_id", types.Big, nullable=True),
        sa.Column("subject_code", sa.String(length=6), nullable=False),
        sa.Column("amount", types.Fen(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_fee_amount")),
        sa.ForeignKeyConstraint(
            ["city_id"], ["organisation.id"], name=op.f("fk_fee_city_id_organisation")
        ),
        sa.ForeignKeyConstraint(["exam_id"], ["exam.id"], name=op.f("fk_fee_exam_id_exam")),
        sa.ForeignKeyConstraint(
            ["province_id"], ["organisation.id"], name=op.f("fk_fee_province_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["organisation.id"], name=op.f("fk_fee_site_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fee")),
        sa.UniqueConstraint(
            "exam_id", "site_id", "subject_code", name=op.f("uq_fee_exam_id_site_id_subject_code")
        ),
    )
    op.create_table(
        "notice",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("province_id", types.Big, nullable=True),
        sa.Column("city_id", types.Big, nullable=True),
        sa.Column("site_id", types.Big, nullable=True),
        sa.Column("organisation_id", types.Big, nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["city_id"], ["organisation.id"], name=op.f("fk_notice_city_id_organisation")
        ),
        sa.ForeignKeyConstraint(["exam_id"], ["exam.id"], name=op.f("fk_notice_exam_id_exam")),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("fk_notice_organisation_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["province_id"], ["organisation.id"], name=op.f("fk_notice_province_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["organisation.id"], name=op.f("fk_notice_site_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
        sa.UniqueConstraint(
            "exam_id", "organisation_id", name=op.f("uq_notice_exam_id_organisation_id")
        ),
    )
    op.create_table(
        "operation_window",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("province_id", types.Big, nullable=True),
        sa.Column("city_id", types.Big, nullable=True),
        sa.Column("site_id", types.Big, nullable=True),
        sa.Column("organisation_id", types.Big, nullable=False),
        sa.Column("setup_start", types.UtcDateTime(), nullable=True),
        sa.Column("setup_end", types.UtcDateTime(), nullable=True),
        sa.Column("eligibility_start", types.UtcDateTime(), nullable=True),
        sa.Column("eligibility_end", types.UtcDateTime(), nullable=True),
        sa.Column("registration_start", types.UtcDateTime(), nullable=True),
        sa.Column("registration_end", types.UtcDateTime(), nullable=True),
        sa.Column("online_start", types.UtcDateTime(), nullable=True),
        sa.Column("online_end", types.UtcDateTime(), nullable=True),
        sa.Column("arrangement_start", types.UtcDateTime(), nullable=True),
        sa.Column("arrangement_end", types.UtcDateTime(), nullable=True),
        sa.Column("ticket_start", types.UtcDateTime(), nullable=True),
        sa.Column("discipline_start", types.UtcDateTime(), nullable=True),
        sa.Column("discipline_end", types.UtcDateTime(), nullable=True),
        sa.Column("pre_exam_start", types.UtcDateTime(), nullable=True),
        sa.Column("pre_exam_end", types.UtcDateTime(), nullable=True),
        sa.Column("post_exam_start", types.UtcDateTime(), nullable=True),
        sa.Column("post_exam_end", types.UtcDateTime(), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["city_id"], ["organisation.id"], name=op.f("fk_operation_window_city_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["exam_id"], ["exam.id"], name=op.f("fk_operation_window_exam_id_exam")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("fk_operation_window_organisation_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["province_id"],
            ["organisation.id"],
            name=op.f("fk_operation_window_province_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["organisation.id"], name=op.f("fk_operation_window_site_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operation_window")),
        sa.UniqueConstraint(
            "exam_id", "organisation_id", name=op.f("uq_operation_window_exam_id_organisation_id")
        ),
    )
    op.create_table(
        "photo",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("province_id", types.Big, nullable=True),
        sa.Column("city_id", types.Big, nullable=True),
        sa.Column("site_id", types.Big, nullable=True),
        sa.Column("passport_id", types.Big, nullable=False),
        sa.Column("id_digest", sa.String(length=64), nullable=False),
        sa.Column("file_key", sa.String(length=100), nullable=False),
        sa.Column("print_key", sa.String(length=100), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("advice", types.Json, nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["city_id"], ["organisation.id"], name=op.f("fk_photo_city_id_organisation")
        ),
        sa.ForeignKeyConstraint(["exam_id"], ["exam.id"], name=op.f("fk_photo_exam_id_exam")),
        sa.ForeignKeyConstraint(
            ["passport_id"], ["passport.id"], name=op.f("fk_photo_passport_id_passport")
        ),
        sa.ForeignKeyConstraint(
            ["province_id"], ["organisation.id"], name=op.f("fk_photo_province_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["organisation.id"], name=op.f("fk_photo_site_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_photo")),
        sa.UniqueConstraint(
            "exam_id", "site_id", "id_digest", name=op.f("uq_photo_exam_id_site_id_id_digest")
        ),
    )
    op.create_table(
        "province_subject",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("province_id", types.Big, nullable=True),
        sa.Column("city_id", types.Big, nullable=True),
        sa.Column("site_id", types.Big, nullable=True),
        sa.Column("subject_code", sa.String(length=2), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("first_day <= last_day", name=op.f("ck_province_subject_days")),
        sa.ForeignKeyConstraint(
            ["city_id"], ["organisation.id"], name=op.f("fk_province_subject_city_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["exam_id"], ["exam.id"], name=op.f("fk_province_subject_exam_id_exam")
        ),
        sa.ForeignKeyConstraint(
            ["province_id"],
            ["organisation.id"],
            name=op.f("fk_province_subject_province_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["organisation.id"], name=op.f("fk_province_subject_site_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_province_subject")),
        sa.UniqueConstraint(
            "exam_id",
            "province_id",
            "subject_code",
            name=op.f("uq_province_subject_exam_id_province_id_subject_code"),
        ),
    )
    op.create_table(
        "room",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("province_id", types.Big, nullable=True),
        sa.Column("city_id", types.Big, nullable=True),
        sa.Column("site_id", types.Big, nullable=True),
        sa.Column("number", sa.String(length=2), nullable=False),
        sa.Column("address", sa.String(length=60), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["city_id"], ["organisation.id"], name=op.f("fk_room_city_id_organisation")
        ),
        sa.ForeignKeyConstraint(["exam_id"], ["exam.id"], name=op.f("fk_room_exam_id_exam")),
        sa.ForeignKeyConstraint(
            ["province_id"], ["organisation.id"], name=op.f("fk_room_province_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["organisation.id"], name=op.f("fk_room_site_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_room")),
        sa.UniqueConstraint(
            "exam_id", "site_id", "number", name=op.f("uq_room_exam_id_site_id_number")
        ),
    )
    op.create_table(
        "roster_allowed_site",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("province_id", types.Big, nullable=True),
        sa.Column("city_id", types.Big, nullable=True),
        sa.Column("site_id", types.Big, nullable=True),
        sa.Column("allowed_site_id", types.Big, nullable=False),
        sa.ForeignKeyConstraint(
            ["allowed_site_id"],
            ["organisation.id"],
            name=op.f("fk_roster_allowed_site_allowed_site_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["city_id"],
            ["organisation.id"],
            name=op.f("fk_roster_allowed_site_city_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["exam_id"], ["exam.id"], name=op.f("fk_roster_allowed_site_exam_id_exam")
        ),
        sa.ForeignKeyConstraint(
            ["province_id"],
            ["organisation.id"],
            name=op.f("fk_roster_allowed_site_province_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["site_id"],
            ["organisation.id"],
            name=op.f("fk_roster_allowed_site_site_id_organisation"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roster_allowed_site")),
        sa.UniqueConstraint(
            "exam_id",
            "site_id",
            "allowed_site_id",
            name=op.f("uq_roster_allowed_site_exam_id_site_id_allowed_site_id"),
        ),
    )
    op.create_table(
        "roster_policy",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("province_id", types.Big, nullable=True),
        sa.Column("city_id", types.Big, nullable=True),
        sa.Column("site_id", types.Big, nullable=True),
        sa.Column("roster_enabled", sa.Boolean(), nullable=False),
        sa.Column("own_province_only", sa.Boolean(), nullable=False),
        sa.Column("own_site_only", sa.Boolean(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["city_id"], ["organisation.id"], name=op.f("fk_roster_policy_city_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["exam_id"], ["exam.id"], name=op.f("fk_roster_policy_exam_id_exam")
        ),
        sa.ForeignKeyConstraint(
            ["province_id"],
            ["organisation.id"],
            name=op.f("fk_roster_policy_province_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["organisation.id"], name=op.f("fk_roster_policy_site_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roster_policy")),
        sa.UniqueConstraint("exam_id", "site_id", name=op.f("uq_roster_policy_exam_id_site_id")),
    )
    op.create_table(
        "site_settings",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("province_id", types.Big, nullable=True),
        sa.Column("city_id", types.Big, nullable=True),
        sa.Column("site_id", types.Big, nullable=True),
        sa.Column("opening_decided", sa.Boolean(), nullable=False),
        sa.Column("suspension_reason", sa.String(length=200), nullable=True),
        sa.Column("online_enabled", sa.Boolean(), nullable=False),
        sa.Column("online_start", types.UtcDateTime(), nullable=True),
        sa.Column("online_end", types.UtcDateTime(), nullable=True),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("collective_registration", sa.Boolean(), nullable=False),
        sa.Column("collective_payment", sa.Boolean(), nullable=False),
        sa.Column("review_required", sa.Boolean(), nullable=False),
        sa.Column("class_required", sa.Boolean(), nullable=False),
        sa.Column("max_subjects", sa.Integer(), nullable=False),
        sa.Column("self_printing", sa.Boolean(), nullable=False),
        sa.Column("preference_allowed", sa.Boolean(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "max_subjects BETWEEN 1 AND 3", name=op.f("ck_site_settings_max_subjects")
        ),
        sa.ForeignKeyConstraint(
            ["city_id"], ["organisation.id"], name=op.f("fk_site_settings_city_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["exam_id"], ["exam.id"], name=op.f("fk_site_settings_exam_id_exam")
        ),
        sa.ForeignKeyConstraint(
            ["province_id"],
            ["organisation.id"],
            name=op.f("fk_site_settings_province_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["organisation.id"], name=op.f("fk_site_settings_site_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site_settings")),
        sa.UniqueConstraint("exam_id", "site_id", name=op.f("uq_site_settings_exam_id_site_id")),
    )
    op.create_table(
        "site_subject",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("province_id", types.Big, nullable=True),
        sa.Column("city_id", types.Big, nullable=True),
        sa.Column("site_id", types.Big, nullable=True),
        sa.Column("subject_code", sa.String(length=2), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.CheckConstraint("first_day <= last_day", name=op.f("ck_site_subject_days")),
        sa.ForeignKeyConstraint(
            ["city_id"], ["organisation.id"], name=op.f("fk_site_subject_city_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["exam_id"], ["exam.id"], name=op.f("fk_site_subject_exam_id_exam")
        ),
        sa.ForeignKeyConstraint(
            ["province_id"],
            ["organisation.id"],
            name=op.f("fk_site_subject_province_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["organisation.id"], name=op.f("fk_site_subject_site_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site_subject")),
        sa.UniqueConstraint(
            "exam_id",
            "site_id",
            "subject_code",
            name=op.f("uq_site_subject_exam_id_site_id_subject_code"),
        ),
    )
    op.create_table(
        "stored_file",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("province_id", types.Big, nullable=True),
        sa.Column("city_id", types.Big, nullable=True),
        sa.Column("site_id", types.Big, nullable=True),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=150), nullable=False),
        sa.Column("media_type", sa.String(length=80), nullable=False),
        sa.Column("size", types.Big, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("passport_id", types.Big, nullable=True),
        sa.Column("expires_at", types.UtcDateTime(), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["city_id"], ["organisation.id"], name=op.f("fk_stored_file_city_id_organisation")
        ),
        sa.ForeignKeyConstraint(["exam_id"], ["exam.id"], name=op.f("fk_stored_file_exam_id_exam")),
        sa.ForeignKeyConstraint(
            ["province_id"],
            ["organisation.id"],
            name=op.f("fk_stored_file_province_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["organisation.id"], name=op.f("fk_stored_file_site_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stored_file")),
        sa.UniqueConstraint("key", name=op.f("uq_stored_file_key")),
    )
    op.create_table(
        "job_run",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("province_id", types.Big, nullable=True),
        sa.Column("city_id", types.Big, nullable=True),
        sa.Column("site_id", types.Big, nullable=True),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("declaration", sa.String(length=60), nullable=False),
        sa.Column("passport_id", types.Big, nullable=True),
        sa.Column("actor_level", sa.String(length=10), nullable=False),
        sa.Column("actor_name", sa.String(length=60), nullable=False),
        sa.Column("organisation_code", sa.String(length=6), nullable=False),
        sa.Column("on_behalf_of", sa.String(length=6), nullable=True),
        sa.Column("parameters", types.Json, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("progress", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("heartbeat_at", types.UtcDateTime(), nullable=True),
        sa.Column("started_at", types.UtcDateTime(), nullable=True),
        sa.Column("finished_at", types.UtcDateTime(), nullable=True),
        sa.Column("token", sa.String(length=40), nullable=True),
        sa.Column("sent_at", types.UtcDateTime(), nullable=True),
        sa.Column("result", types.Json, nullable=False),
        sa.Column("errors", types.Json, nullable=False),
        sa.Column("error", sa.String(length=300), nullable=True),
        sa.Column("file_digest", sa.String(length=64), nullable=True),
        sa.Column("source_file_id", types.Big, nullable=True),
        sa.Column("report_file_id", types.Big, nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["city_id"], ["organisation.id"], name=op.f("fk_job_run_city_id_organisation")
        ),
        sa.ForeignKeyConstraint(["exam_id"], ["exam.id"], name=op.f("fk_job_run_exam_id_exam")),
        sa.ForeignKeyConstraint(
            ["province_id"], ["organisation.id"], name=op.f("fk_job_run_province_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["report_file_id"],
            ["stored_file.id"],
            name=op.f("fk_job_run_report_file_id_stored_file"),
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["organisation.id"], name=op.f("fk_job_run_site_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["source_file_id"],
            ["stored_file.id"],
            name=op.f("fk_job_run_source_file_id_stored_file"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_run")),
    )
    with op.batch_alter_table("job_run", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_job_run_exam_id_declaration_id"),
            ["exam_id", "declaration", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_job_run_state_heartbeat_at"), ["state", "heartbeat_at"], unique=False
        )

    op.create_table(
        "registration",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("province_id", types.Big, nullable=True),
        sa.Column("city_id", types.Big, nullable=True),
        sa.Column("site_id", types.Big, nullable=True),
        sa.Column("passport_id", types.Big, nullable=False),
        sa.Column("mode", sa.String(length=10), nullable=False),
        sa.Column("life", sa.String(length=10), nullable=False),
        sa.Column("payment", sa.String(length=8), nullable=False),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("review", sa.String(length=10), nullable=False),
        sa.Column("reject_type", sa.String(length=1), nullable=True),
        sa.Column("reject_reason", sa.String(length=200), nullable=True),
        sa.Column("photo_renewal", sa.Boolean(), nullable=False),
        sa.Column("state_changed_at", types.UtcDateTime(), nullable=True),
        sa.Column("submitted_at", types.UtcDateTime(), nullable=True),
        sa.Column("pinyin", sa.String(length=60), nullable=True),
        sa.Column("guardian_mobile", types.Encrypted(20), nullable=True),
        sa.Column("extra", sa.String(length=200), nullable=True),
        sa.Column("photo_id", types.Big, nullable=True),
        sa.Column("subject_codes", sa.String(length=10), nullable=False),
        sa.Column("subject_count", sa.Integer(), nullable=False),
        sa.Column("notice_version", sa.String(length=40), nullable=True),
        sa.Column("notice_accepted_at", types.UtcDateTime(), nullable=True),
        sa.Column("name", sa.String(length=30), nullable=False),
        sa.Column("sex", sa.String(length=1), nullable=False),
        sa.Column("birth", sa.Date(), nullable=False),
        sa.Column("id_type", sa.String(length=1), nullable=False),
        sa.Column("id_number", types.Encrypted(30), nullable=False),
        sa.Column("id_digest", sa.String(length=64), nullable=False),
        sa.Column("ethnic", sa.String(length=2), nullable=True),
        sa.Column("education", sa.String(length=2), nullable=True),
        sa.Column("occupation", sa.String(length=2), nullable=True),
        sa.Column("department", sa.String(length=50), nullable=True),
        sa.Column("major", sa.String(length=50), nullable=True),
        sa.Column("class_name", sa.String(length=50), nullable=True),
        sa.Column("student_number", sa.String(length=30), nullable=True),
        sa.Column("postcode", sa.String(length=6), nullable=True),
        sa.Column("address", sa.String(length=100), nullable=True),
        sa.Column("mobile", types.Encrypted(20), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("remark", sa.String(length=200), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["city_id"], ["organisation.id"], name=op.f("fk_registration_city_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["exam_id"], ["exam.id"], name=op.f("fk_registration_exam_id_exam")
        ),
        sa.ForeignKeyConstraint(
            ["passport_id"], ["passport.id"], name=op.f("fk_registration_passport_id_passport")
        ),
        sa.ForeignKeyConstraint(
            ["photo_id"], ["photo.id"], name=op.f("fk_registration_photo_id_photo")
        ),
        sa.ForeignKeyConstraint(
            ["province_id"],
            ["organisation.id"],
            name=op.f("fk_registration_province_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["organisation.id"], name=op.f("fk_registration_site_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registration")),
    )
    with op.batch_alter_table("registration", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_registration_exam_id_id_digest"), ["exam_id", "id_digest"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_registration_exam_id_name"), ["exam_id", "name"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_registration_exam_id_province_id_id"),
            ["exam_id", "province_id", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_registration_exam_id_site_id_id"),
            ["exam_id", "site_id", "id"],
            unique=False,
        )
        batch_op.create_index(
            "uq_registration_live_passport",
            ["exam_id", "passport_id"],
            unique=True,
            postgresql_where=sa.text("life IN ('draft', 'active')"),
            sqlite_where=sa.text("life IN ('draft', 'active')"),
        )

    op.create_table(
        "sitting",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("province_id", types.Big, nullable=True),
        sa.Column("city_id", types.Big, nullable=True),
        sa.Column("site_id", types.Big, nullable=True),
        sa.Column("room_id", types.Big, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("start", sa.Time(), nullable=False),
        sa.Column("end", sa.Time(), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("arranged", sa.Integer(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "arranged >= 0 AND arranged <= capacity", name=op.f("ck_sitting_not_oversold")
        ),
        sa.CheckConstraint("capacity BETWEEN 1 AND 999", name=op.f("ck_sitting_capacity")),
        sa.CheckConstraint('start < "end"', name=op.f("ck_sitting_period")),
        sa.ForeignKeyConstraint(
            ["city_id"], ["organisation.id"], name=op.f("fk_sitting_city_id_organisation")
        ),
        sa.ForeignKeyConstraint(["exam_id"], ["exam.id"], name=op.f("fk_sitting_exam_id_exam")),
        sa.ForeignKeyConstraint(
            ["province_id"], ["organisation.id"], name=op.f("fk_sitting_province_id_organisation")
        ),
        sa.ForeignKeyConstraint(["room_id"], ["room.id"], name=op.f("fk_sitting_room_id_room")),
        sa.ForeignKeyConstraint(
            ["site_id"], ["organisation.id"], name=op.f("fk_sitting_site_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sitting")),
        sa.UniqueConstraint("room_id", "day", "start", name=op.f("uq_sitting_room_id_day_start")),
    )
    op.create_table(
        "document",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("province_id", types.Big, nullable=True),
        sa.Column("city_id", types.Big, nullable=True),
        sa.Column("site_id", types.Big, nullable=True),
        sa.Column("declaration", sa.String(length=60), nullable=False),
        sa.Column("organisation_id", types.Big, nullable=False),
        sa.Column("parameters", types.Json, nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("file_id", types.Big, nullable=False),
        sa.Column("job_id", types.Big, nullable=False),
        sa.Column("downloads", sa.Integer(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["city_id"], ["organisation.id"], name=op.f("fk_document_city_id_organisation")
        ),
        sa.ForeignKeyConstraint(["exam_id"], ["exam.id"], name=op.f("fk_document_exam_id_exam")),
        sa.ForeignKeyConstraint(
            ["file_id"], ["stored_file.id"], name=op.f("fk_document_file_id_stored_file")
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job_run.id"], name=op.f("fk_document_job_id_job_run")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("fk_document_organisation_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["province_id"], ["organisation.id"], name=op.f("fk_document_province_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["organisation.id"], name=op.f("fk_document_site_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document")),
    )
    with op.batch_alter_table("document", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_document_exam_id_declaration_organisation_id_id"),
            ["exam_id", "declaration", "organisation_id", "id"],
            unique=False,
        )

    op.create_table(
        "payment_order",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("province_id", types.Big, nullable=True),
        sa.Column("city_id", types.Big, nullable=True),
        sa.Column("site_id", types.Big, nullable=True),
        sa.Column("passport_id", types.Big, nullable=False),
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("registration_id", types.Big, nullable=False),
        sa.Column("subject_codes", sa.String(length=10), nullable=False),
        sa.Column("person_fee", types.Fen(), nullable=False),
        sa.Column("subject_fee", types.Fen(), nullable=False),
        sa.Column("amount", types.Fen(), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("expires_at", types.UtcDateTime(), nullable=False),
        sa.Column("paid_at", types.UtcDateTime(), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("amount = person_fee + subject_fee", name=op.f("ck_payment_order_sum")),
        sa.CheckConstraint(
            "person_fee >= 0 AND subject_fee >= 0", name=op.f("ck_payment_order_fees")
        ),
        sa.ForeignKeyConstraint(
            ["city_id"], ["organisation.id"], name=op.f("fk_payment_order_city_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["exam_id"], ["exam.id"], name=op.f("fk_payment_order_exam_id_exam")
        ),
        sa.ForeignKeyConstraint(
            ["passport_id"], ["passport.id"], name=op.f("fk_payment_order_passport_id_passport")
        ),
        sa.ForeignKeyConstraint(
            ["province_id"],
            ["organisation.id"],
            name=op.f("fk_payment_order_province_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["registration_id"],
            ["registration.id"],
            name=op.f("fk_payment_order_registration_id_registration"),
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["organisation.id"], name=op.f("fk_payment_order_site_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_order")),
        sa.UniqueConstraint("number", name=op.f("uq_payment_order_number")),
    )
    with op.batch_alter_table("payment_order", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_payment_order_registration_id"), ["registration_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_payment_order_state_expires_at"), ["state", "expires_at"], unique=False
        )
        batch_op.create_index(
            "uq_payment_order_one_open",
            ["registration_id"],
            unique=True,
            postgresql_where=sa.text("state = 'open'"),
            sqlite_where=sa.text("state = 'open'"),
        )

    op.create_table(
        "person_claim",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("id_digest", sa.String(length=64), nullable=False),
        sa.Column("registration_id", types.Big, nullable=False),
        sa.ForeignKeyConstraint(
            ["exam_id"], ["exam.id"], name=op.f("fk_person_claim_exam_id_exam")
        ),
        sa.ForeignKeyConstraint(
            ["registration_id"],
            ["registration.id"],
            name=op.f("fk_person_claim_registration_id_registration"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person_claim")),
        sa.UniqueConstraint("exam_id", "id_digest", name=op.f("uq_person_claim_exam_id_id_digest")),
        sa.UniqueConstraint("registration_id", name=op.f("uq_person_claim_registration_id")),
    )
    op.create_table(
        "roster_move",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("at", types.UtcDateTime(), nullable=False),
        sa.Column("from_name", sa.String(length=30), nullable=False),
        sa.Column("to_name", sa.String(length=30), nullable=False),
        sa.Column("id_number", types.Encrypted(30), nullable=False),
        sa.Column("id_digest", sa.String(length=64), nullable=False),
        sa.Column("from_province_code", sa.String(length=6), nullable=False),
        sa.Column("from_city_code", sa.String(length=6), nullable=True),
        sa.Column("from_site_code", sa.String(length=6), nullable=False),
        sa.Column("from_site_name", sa.String(length=60), nullable=False),
        sa.Column("to_province_code", sa.String(length=6), nullable=False),
        sa.Column("to_city_code", sa.String(length=6), nullable=True),
        sa.Column("to_site_code", sa.String(length=6), nullable=False),
        sa.Column("to_site_name", sa.String(length=60), nullable=False),
        sa.Column("from_education", sa.String(length=2), nullable=False),
        sa.Column("to_education", sa.String(length=2), nullable=False),
        sa.Column("job_id", types.Big, nullable=True),
        sa.Column("acknowledged_at", types.UtcDateTime(), nullable=True),
        sa.Column("from_province_read_at", types.UtcDateTime(), nullable=True),
        sa.Column("to_province_read_at", types.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job_run.id"], name=op.f("fk_roster_move_job_id_job_run")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roster_move")),
    )
    with op.batch_alter_table("roster_move", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_roster_move_from_name"), ["from_name"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_roster_move_from_site_code_at"), ["from_site_code", "at"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_roster_move_id_digest"), ["id_digest"], unique=False)
        batch_op.create_index(batch_op.f("ix_roster_move_to_name"), ["to_name"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_roster_move_to_site_code_at"), ["to_site_code", "at"], unique=False
        )

    op.create_table(
        "entry",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("province_id", types.Big, nullable=True),
        sa.Column("city_id", types.Big, nullable=True),
        sa.Column("site_id", types.Big, nullable=True),
        sa.Column("passport_id", types.Big, nullable=False),
        sa.Column("registration_id", types.Big, nullable=False),
        sa.Column("subject_code", sa.String(length=2), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("preference_day", sa.Date(), nullable=True),
        sa.Column("fee", types.Fen(), nullable=True),
        sa.Column("order_id", types.Big, nullable=True),
        sa.Column("paid_at", types.UtcDateTime(), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["city_id"], ["organisation.id"], name=op.f("fk_entry_city_id_organisation")
        ),
        sa.ForeignKeyConstraint(["exam_id"], ["exam.id"], name=op.f("fk_entry_exam_id_exam")),
        sa.ForeignKeyConstraint(
            ["order_id"], ["payment_order.id"], name=op.f("fk_entry_order_id_payment_order")
        ),
        sa.ForeignKeyConstraint(
            ["passport_id"], ["passport.id"], name=op.f("fk_entry_passport_id_passport")
        ),
        sa.ForeignKeyConstraint(
            ["province_id"], ["organisation.id"], name=op.f("fk_entry_province_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["registration_id"],
            ["registration.id"],
            name=op.f("fk_entry_registration_id_registration"),
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["organisation.id"], name=op.f("fk_entry_site_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entry")),
    )
    with op.batch_alter_table("entry", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_entry_exam_id_province_id_subject_code_state"),
            ["exam_id", "province_id", "subject_code", "state"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_entry_exam_id_site_id_subject_code_state"),
            ["exam_id", "site_id", "subject_code", "state"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_entry_registration_id"), ["registration_id"], unique=False
        )
        batch_op.create_index(
            "uq_entry_live_subject",
            ["registration_id", "subject_code"],
            unique=True,
            postgresql_where=sa.text("state NOT IN ('expired', 'deleted', 'cancelled')"),
            sqlite_where=sa.text("state NOT IN ('expired', 'deleted', 'cancelled')"),
        )

    op.create_table(
        "gateway_transaction",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("order_id", types.Big, nullable=False),
        sa.Column("transaction_number", sa.String(length=64), nullable=False),
        sa.Column("amount", types.Fen(), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("received_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["exam_id"], ["exam.id"], name=op.f("fk_gateway_transaction_exam_id_exam")
        ),
        sa.ForeignKeyConstraint(
            ["order_id"],
            ["payment_order.id"],
            name=op.f("fk_gateway_transaction_order_id_payment_order"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway_transaction")),
        sa.UniqueConstraint(
            "transaction_number", name=op.f("uq_gateway_transaction_transaction_number")
        ),
    )
    with op.batch_alter_table("gateway_transaction", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_gateway_transaction_order_id"), ["order_id"], unique=False
        )

    op.create_table(
        "admission_ticket",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("province_id", types.Big, nullable=True),
        sa.Column("city_id", types.Big, nullable=True),
        sa.Column("site_id", types.Big, nullable=True),
        sa.Column("passport_id", types.Big, nullable=False),
        sa.Column("entry_id", types.Big, nullable=False),
        sa.Column("number", sa.String(length=16), nullable=False),
        sa.Column("room_number", sa.String(length=2), nullable=False),
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("voided_at", types.UtcDateTime(), nullable=True),
        sa.Column("first_downloaded_at", types.UtcDateTime(), nullable=True),
        sa.Column("downloads", sa.Integer(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["city_id"], ["organisation.id"], name=op.f("fk_admission_ticket_city_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["entry.id"], name=op.f("fk_admission_ticket_entry_id_entry")
        ),
        sa.ForeignKeyConstraint(
            ["exam_id"], ["exam.id"], name=op.f("fk_admission_ticket_exam_id_exam")
        ),
        sa.ForeignKeyConstraint(
            ["passport_id"], ["passport.id"], name=op.f("fk_admission_ticket_passport_id_passport")
        ),
        sa.ForeignKeyConstraint(
            ["province_id"],
            ["organisation.id"],
            name=op.f("fk_admission_ticket_province_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["organisation.id"], name=op.f("fk_admission_ticket_site_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_admission_ticket")),
        sa.UniqueConstraint("exam_id", "number", name=op.f("uq_admission_ticket_exam_id_number")),
    )
    with op.batch_alter_table("admission_ticket", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_admission_ticket_exam_id_site_id_room_number_serial"),
            ["exam_id", "site_id", "room_number", "serial"],
            unique=False,
        )
        batch_op.create_index(
            "uq_admission_ticket_live_entry",
            ["entry_id"],
            unique=True,
            postgresql_where=sa.text("voided_at IS NULL"),
            sqlite_where=sa.text("voided_at IS NULL"),
        )

    op.create_table(
        "seat",
        sa.Column("id", types.Big, autoincrement=False, nullable=False),
        sa.Column("exam_id", types.Big, nullable=False),
        sa.Column("province_id", types.Big, nullable=True),
        sa.Column("city_id", types.Big, nullable=True),
        sa.Column("site_id", types.Big, nullable=True),
        sa.Column("passport_id", types.Big, nullable=False),
        sa.Column("entry_id", types.Big, nullable=False),
        sa.Column("sitting_id", types.Big, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["city_id"], ["organisation.id"], name=op.f("fk_seat_city_id_organisation")
        ),
        sa.ForeignKeyConstraint(["entry_id"], ["entry.id"], name=op.f("fk_seat_entry_id_entry")),
        sa.ForeignKeyConstraint(["exam_id"], ["exam.id"], name=op.f("fk_seat_exam_id_exam")),
        sa.ForeignKeyConstraint(
            ["passport_id"], ["passport.id"], name=op.f("fk_seat_passport_id_passport")
        ),
        sa.ForeignKeyConstraint(
            ["province_id"], ["organisation.id"], name=op.f("fk_seat_province_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["organisation.id"], name=op.f("fk_seat_site_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["sitting_id"], ["sitting.id"], name=op.f("fk_seat_sitting_id_sitting")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seat")),
        sa.UniqueConstraint("entry_id", name=op.f("uq_seat_entry_id")),
        sa.UniqueConstraint("sitting_id", "number", name=op.f("uq_seat_sitting_id_number")),
    )
    with op.batch_alter_table("seat", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_seat_exam_id_site_id"), ["exam_id", "site_id"], unique=False
        )


def downgrade() -> None:
    with op.batch_alter_table("seat", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_seat_exam_id_site_id"))

    op.drop_table("seat")
    with op.batch_alter_table("admission_ticket", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_admission_ticket_live_entry",
            postgresql_where=sa.text("voided_at IS NULL"),
            sqlite_where=sa.text("voided_at IS NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_admission_ticket_exam_id_site_id_room_number_serial"))

    op.drop_table("admission_ticket")
    with op.batch_alter_table("gateway_transaction", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_gateway_transaction_order_id"))

    op.drop_table("gateway_transaction")
    with op.batch_alter_table("entry", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_entry_live_subject",
            postgresql_where=sa.text("state NOT IN ('expired', 'deleted', 'cancelled')"),
            sqlite_where=sa.text("state NOT IN ('expired', 'deleted', 'cancelled')"),
        )
        batch_op.drop_index(batch_op.f("ix_entry_registration_id"))
        batch_op.drop_index(batch_op.f("ix_entry_exam_id_site_id_subject_code_state"))
        batch_op.drop_index(batch_op.f("ix_entry_exam_id_province_id_subject_code_state"))

    op.drop_table("entry")
    with op.batch_alter_table("roster_move", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_roster_move_to_site_code_at"))
        batch_op.drop_index(batch_op.f("ix_roster_move_to_name"))
        batch_op.drop_index(batch_op.f("ix_roster_move_id_digest"))
        batch_op.drop_index(batch_op.f("ix_roster_move_from_site_code_at"))
        batch_op.drop_index(batch_op.f("ix_roster_move_from_name"))

    op.drop_table("roster_move")
    op.drop_table("person_claim")
    with op.batch_alter_table("payment_order", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_payment_order_one_open",
            postgresql_where=sa.text("state = 'open'"),
            sqlite_where=sa.text("state = 'open'"),
        )
        batch_op.drop_index(batch_op.f("ix_payment_order_state_expires_at"))
        batch_op.drop_index(batch_op.f("ix_payment_order_registration_id"))

    op.drop_table("payment_order")
    with op.batch_alter_table("document", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_document_exam_id_declaration_organisation_id_id"))

    op.drop_table("document")
    op.drop_table("sitting")
    with op.batch_alter_table("registration", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_registration_live_passport",
            postgresql_where=sa.text("life IN ('draft', 'active')"),
            sqlite_where=sa.text("life IN ('draft', 'active')"),
        )
        batch_op.drop_index(batch_op.f("ix_registration_exam_id_site_id_id"))
        batch_op.drop_index(batch_op.f("ix_registration_exam_id_province_id_id"))
        batch_op.drop_index(batch_op.f("ix_registration_exam_id_name"))
        batch_op.drop_index(batch_op.f("ix_registration_exam_id_id_digest"))

    op.drop_table("registration")
    with op.batch_alter_table("job_run", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_job_run_state_heartbeat_at"))
        batch_op.drop_index(batch_op.f("ix_job_run_exam_id_declaration_id"))

    op.drop_table("job_run")
    op.drop_table("stored_file")
    op.drop_table("site_subject")
    op.drop_table("site_settings")
    op.drop_table("roster_policy")
    op.drop_table("roster_allowed_site")
    op.drop_table("room")
    op.drop_table("province_subject")
    op.drop_table("photo")
    op.drop_table("operation_window")
    op.drop_table("notice")
    op.drop_table("fee")
    with op.batch_alter_table("exam_day", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_exam_day_national",
            postgresql_where=sa.text("province_id IS NULL"),
            sqlite_where=sa.text("province_id IS NULL"),
        )

    op.drop_table("exam_day")
    op.drop_table("default_settings")
    op.drop_table("class_option")
    with op.batch_alter_table("capacity_pool", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_capacity_pool_exam_id_province_id_pool"))

    op.drop_table("capacity_pool")
    op.drop_table("arrangement_run")
    with op.batch_alter_table("password_history", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_password_history_passport_id_id"))

    op.drop_table("password_history")
    with op.batch_alter_table("organisation", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_organisation_exam_id_province_id_level"))
        batch_op.drop_index(batch_op.f("ix_organisation_exam_id_parent_id"))

    op.drop_table("organisation")
    op.drop_table("exam_subject")
    op.drop_table("exam_province")
    with op.batch_alter_table("admin_binding", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_admin_binding_organisation_code"))

    op.drop_table("admin_binding")
    with op.batch_alter_table("verification_code", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_verification_code_target_digest_purpose"))

    op.drop_table("verification_code")
    op.drop_table("subject")
    with op.batch_alter_table("student_record", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_student_record_site_code_id"))
        batch_op.drop_index(batch_op.f("ix_student_record_province_code_id"))
        batch_op.drop_index(batch_op.f("ix_student_record_name"))

    op.drop_table("student_record")
    op.drop_table("setting")
    op.drop_table("sandbox_payment")
    op.drop_table("role_grant")
    op.drop_table("role_baseline")
    op.drop_table("role")
    op.drop_table("rate_limit")
    with op.batch_alter_table("passport", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_passport_uninvited",
            postgresql_where=sa.text("must_change AND invited_at IS NULL"),
            sqlite_where=sa.text("must_change AND invited_at IS NULL"),
        )

    op.drop_table("passport")
    with op.batch_alter_table("outbox_message", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_outbox_message_state_id"))

    op.drop_table("outbox_message")
    with op.batch_alter_table("exam", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_exam_one_current",
            postgresql_where=sa.text("state = 'current'"),
            sqlite_where=sa.text("state = 'current'"),
        )

    op.drop_table("exam")
    op.drop_table("code_entry")
    op.drop_table("audit_seal")
    with op.batch_alter_table("audit_entry", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_audit_entry_site_id_id"))
        batch_op.drop_index(batch_op.f("ix_audit_entry_sealed_id"))
        batch_op.drop_index(batch_op.f("ix_audit_entry_passport_id_id"))
        batch_op.drop_index(batch_op.f("ix_audit_entry_object_type_object_id"))
        batch_op.drop_index(batch_op.f("ix_audit_entry_exam_id_id"))

    op.drop_table("audit_entry")
