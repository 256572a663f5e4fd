"""Python imports this at the start of a process whose PYTHONPATH has its folder: here a step begins."""

import sys

if "main.py" in " ".join(sys.orig_argv[1:2]):
    import step_faults
    import step_zygote

    if not step_faults.hangs():
        step_zygote.hand_over(step_faults.HERE)
    step_faults.begin()
