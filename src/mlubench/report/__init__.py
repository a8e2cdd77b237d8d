"""Turns a run's scores and answers into what people look at: a table, figures and a page."""
