"""A file for each stage of a build; table.py has them in order.

entities.py  pictures.py  questions.py  answers.py
                   what the benchmark is made of
items.py  review.py  know.py
                   what a person and models say of it
split.py  release.py  dataset.py  datasheet.py
                   how it is dealt into tasks and written
"""
