"""The administration: Flask-AppBuilder as the shell, pages made from declarations."""
