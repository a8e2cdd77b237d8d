"""A file for each method; base.py says how to write one.

ga.py  gd.py  kl.py  npo.py  po.py  dpo.py
                   the methods of the paper
mmunlearner.py  siu.py  vkd.py
                   made for models that see
o3.py              made for many requests
wga.py  satimp.py  undial.py  altpo.py  gd_refusal.py  simnpo.py  rmu.py  task_vector.py
                   further ones
"""
