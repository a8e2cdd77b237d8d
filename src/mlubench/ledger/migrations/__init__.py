"""Brings the tables of an older ledger up to date, whenever one is opened.

env.py             what Alembic runs: the connection is handed to it
versions/          one file a change, in order
"""
