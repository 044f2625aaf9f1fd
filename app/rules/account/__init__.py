"""Passports: registration, log-in, codes, passwords, contacts, second factor, bindings (ch. 5–8).

One module per concern; import from them. Passwords are hashed outside every transaction.
"""
