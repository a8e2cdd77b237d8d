"""Attacks on what a run built: what leaks, what is lost, and at which price. Read attack.py first.

attack.py          what an attack is
attacks/           one file an attack; table.py lists them
targets.py         which facts are attacked, and what stands beside them
studio.py          the changed pictures that attacks show; adversary.py finds noise against a gate
systems/           what is attacked; beginning.py puts an answer's beginning into its mouth
scores.py          what probabilities say of an answer; reading.py has a model read it
probing.py         linear probes on hidden states; sites.py is where they read
weights.py         what may be done to a model's weights
rows.py            what a system said, kept so that an audit resumes
counting.py        what of an answer counts as harm; choosing.py is about questions that offer answers, and names
figures.py         rates with intervals, average and worst case
classes.py         whether some classes are hurt more than others
bounds.py          bounds that a release must keep
asking.py          what systems say, from the file or asked now
findings.py        what the answers of all systems come to
runner.py          all of it, on a finished run
oracle/            every archive beside a base that never learned what it forgets
lmms_eval.py       scores on the field's general benchmarks, by the program lmms-eval
references.py      what methods are held against, added to a finished run
"""
