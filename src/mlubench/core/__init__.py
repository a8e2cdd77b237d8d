"""What every room needs and knows nothing of unlearning.

errors.py      errors that say what is wrong, what was got and what to do next
files.py       files that are whole or absent, hashes, folders whose manifest is written last
reading.py     JSON and YAML into a stated shape; what is wrong with a file, and where
lines.py       JSON-lines files that survive a kill
tensor_files.py  safetensors files by their headers
reply_text.py  what of a reply's text is the reply: not what a model thought, nor what it quotes
locks.py       one process at a time
spelling.py    one spelling of names; files found in either Unicode form
processes.py   several processes on one run: who leads, what all agree on
console.py     the one console, on which data is never markup
progress.py    the one progress bar, and plain lines where there is no terminal
allocator.py   freed memory kept for the next tensor
cache.py       where bases, worlds and replies lie on this machine
tables.py      tables of names, which packages elsewhere may add to
version.py     the package's version
"""
