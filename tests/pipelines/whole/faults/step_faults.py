"""What a step of these tests begins with: a quick text encoder, few trees, and the faults that are planned.

`plan.json` beside it says {"step": ..., "set": {place: value}, "fault": {"at": place, "call": n, "with": text,
"after": bool, "do": "kill" | "hang" | "crash", "say": text}}, where a place is `module:name` and the fault comes
with the n-th call that has `text` among its arguments. Without a plan nothing happens.
"""

import json
import os
import signal
import sys
import time
import traceback
from functools import partial, wraps
from importlib import import_module
from operator import attrgetter
from pathlib import Path

HERE = Path(__file__).parent


def happen(fault):
    """Do what the plan says."""
    if fault["do"] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault["do"] == "hang":
        (HERE / "hanging").write_text(str(os.getpid()))
        time.sleep(600)
    raise ValueError(fault["say"])


def faulty(function, fault):
    """Return the function with the fault at its n-th call."""
    calls = 0

    @wraps(function)
    def wrapped(*arguments, **options):
        nonlocal calls
        if fault.get("with") in (None, *map(str, arguments), *map(str, options.values())):
            calls += 1
        due = calls == fault.get("call", 1)
        if due and not fault.get("after"):
            happen(fault)
        result = function(*arguments, **options)
        if due:
            happen(fault)
        return result

    return wrapped


def owner_of(place):
    """Return the object that has the attribute, and the attribute's name."""
    module, _, name = place.partition(":")
    above, _, last = name.rpartition(".")
    found = import_module(module)
    return (attrgetter(above)(found) if above else found), last


def apply(plan):
    """Put the plan's values and its fault in."""
    for place, value in plan.get("set", {}).items():
        owner, name = owner_of(place)
        setattr(owner, name, type(getattr(owner, name))(value))
    if "fault" in plan:
        owner, name = owner_of(plan["fault"]["at"])
        setattr(owner, name, faulty(getattr(owner, name), plan["fault"]))


def grow_few_trees():
    """Let training choose among few mixtures of small machines."""
    step = import_module("counterfoil.steps.train")
    few = step.TrainingOptions(good_references=(500, 1_000), odds=(0.25, 0.5), shares=(0.2,), trees=16, rounds=40)
    step.TrainingRequest = partial(step.TrainingRequest, options=few)


def plan():
    """Return what is planned for this step, or nothing."""
    planned = json.loads((HERE / "plan.json").read_text()) if (HERE / "plan.json").exists() else {}
    return planned if planned.get("step") == sys.orig_argv[2] else {}


def hangs():
    """Say whether this step will hang, until who started it is killed: then it must be a process of its own."""
    return plan().get("fault", {}).get("do") == "hang"


def begin():
    """Prepare this step. What fails here must not pass for a step without a fault, as Python would have it."""
    try:
        import_module("counterfoil.workspace.wiring").Workspace.embedder = import_module(
            "quick_embedder"
        ).QuickEmbedder()
        if sys.orig_argv[2] == "train":
            grow_few_trees()
        apply(plan())
    except BaseException:  # noqa: BLE001 whatever it is
        traceback.print_exc()
        os._exit(99)
