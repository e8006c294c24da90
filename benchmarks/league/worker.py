"""A contender in a process of its own: it reads orders as lines of JSON, and answers them so.

{"problem": FILE, "checked": n} -> {"losses": of the first n steps}
{"steps": n} -> {"seconds": a step, "steps": n}
"""

import json
import os
import sys
import time

import torch
from contenders import CONTENDERS
from problems import Problem


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")  # so that what others print is no answer
    os.dup2(2, 1)
    torch.set_num_threads(1)
    make, steps, first = CONTENDERS[sys.argv[1]], None, 0
    for line in sys.stdin:
        order = json.loads(line)
        try:
            if "problem" in order:
                steps = None  # its memory is free before the next is made
                steps = make(Problem.load(order["problem"]))
                answer = {"losses": steps(0, order["checked"])}
                first = order["checked"]
            else:
                begin = time.perf_counter()
                done = len(steps(first, order["steps"]))
                answer = {"seconds": (time.perf_counter() - begin) / done, "steps": done}
                first += done
        except Exception as error:
            answer = {"failed": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
