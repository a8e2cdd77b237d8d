"""Pictures of entities, from wherever they come.

sources.py         a folder, a list of addresses, or drawn stand-ins
taking.py          gets one, has it decoded, keeps it unless it repeats another
fetching.py        from the web, within limits; addresses.py says which addresses are public
decoding.py        by a limited process, which worker.py is
"""
