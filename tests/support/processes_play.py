"""What test_ranks.py has two processes do. Each writes what it saw to FOLDER/RANK.json."""

import json
import sys
from pathlib import Path

import torch

from mlubench.core import processes

folder = Path(sys.argv[1])
processes.start()
processes.start()
me = processes.rank()
found = {
    "world": processes.world(),
    "leads": processes.leads(),
    "agreed": processes.agreed(lambda: f"said by {me}"),
}

with processes.leader_first():
    found["first saw"] = (folder / "made").exists()
    (folder / "made").touch()

processes.written(lambda: (folder / "count").write_text(f"{me}"))
found["count"] = (folder / "count").read_text()
found["gathered"] = processes.gathered({"of": me})

# Process 0 has two rows of width 2, process 1 has three of width 3 of which only one counts.
mine = torch.full((2 + me, 2 + me), float(10 + me), requires_grad=True)
rows = processes.rows_of_all(mine, [2, 1], 3)
found["rows"] = rows.tolist()
weights = torch.tensor([[1.0], [2.0], [5.0]])
(rows * weights).sum().backward()
found["gradient"] = mine.grad.tolist()
found["mask"] = processes.rows_of_all(torch.ones(1, 2, dtype=torch.bool), [1, 1], 3).tolist()

(folder / f"{me}.json").write_text(json.dumps(found))
processes.stop()
