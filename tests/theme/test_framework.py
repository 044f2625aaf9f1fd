"""The pages that Flask-AppBuilder itself serves stand in our shell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_appbuilder import AppBuilder
from flask_appbuilder.utils.legacy import get_sqla_class
from flask_wtf import CSRFProtect

from tests.theme import sample_shell
from tests.theme.gallery import cell, nonce

APP = Path(__file__).resolve().parents[2] / "app"


@pytest.fixture(scope="module")
def framework() -> Iterator[FlaskClient]:
    """A stock FAB application with our templates, nobody logged in."""
    app = Flask(__name__, template_folder=str(APP / "templates"), static_folder=str(APP / "static"))
    app.config.update(
        SECRET_KEY="framework",
        SQLALCHEMY_DATABASE_URI="sqlite://",
        BABEL_DEFAULT_LOCALE="zh",
        LANGUAGES={"zh": {"flag": "cn", "name": "Chinese"}},
    )
    database = get_sqla_class()()
    database.init_app(app)
    CSRFProtect(app)
    app.jinja_env.filters["cell"] = cell
    app.jinja_env.globals.update(
        csp_nonce=nonce,
        kw_header=lambda: None,
        kw_menu=lambda: sample_shell.menu("/"),
        kw_url_static=lambda path: f"/static/{path}",
    )
    with app.app_context():
        AppBuilder(app, database.session)
        yield app.test_client()
        database.session.remove()
        database.engine.dispose()


def test_log_in_and_index_of_the_framework_use_our_templates(framework: FlaskClient) -> None:
    login = framework.get("/login/").get_data(as_text=True)
    assert "后台管理登录" in login
    assert 'name="csrf_token"' in login
    index = framework.get("/").get_data(as_text=True)
    assert "欢迎登录全国计算机等级考试考务管理系统" in index
    for page in (login, index):
        assert "kw/kw.css" in page
        assert "jquery" not in page
        assert "data-toggle=" not in page
