"""The outside world: storage, queue, mail and SMS, payment gateways, face check, embedded servers.

Adapters know ``app.metadata`` only; jobs, views, portal and the command line import them.
"""
