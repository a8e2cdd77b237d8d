"""The command line: nothing is imported before it is called.

main.py            the commands, and errors as one line; lazy.py loads a command when it is called
run.py  plan.py  sweep.py  status.py  report.py  claims.py  audit.py  ask.py  serve.py  keys.py  request.py
ledger.py  parts.py  model.py  list.py
                   one file for each command
judge/  experts/  data/
                   one folder for each group of commands
options.py  opening.py  output.py  columns.py  forecast.py  streams.py
                   what commands share: options, opening a LUMoE, tables, forecasts, and streams that take every letter
"""
