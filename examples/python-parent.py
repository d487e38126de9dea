#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A parent program: starts inroot, follows its records, and hears from the payload over a pipe.

python-parent.py [--OPTION[=VALUE]]... ROOT COMMAND [ARG]...

The payload finds the number of its end of the pipe in RESULT_FD:

python-parent.py --ro ROOT sh -c 'echo hello >&$RESULT_FD'
"""
import contextlib
import json
import os
import subprocess
import sys
import threading


def read_result(fd, result):
    with open(fd, "rb") as pipe:
        result.append(pipe.read())


def follow(records, go):
    """Reads the records to their end: (the root was entered, the error if there was one)."""
    entered, error = False, None
    for line in records:
        record = json.loads(line)
        if record["type"] == "mounts-ready":
            # Here a parent would do what must be done before the payload runs. Then one byte: go on.
            # Nobody reads it if the helper was killed meanwhile; end of file comes next then.
            with contextlib.suppress(BrokenPipeError):
                os.write(go, b"\n")
        elif record["type"] == "entered":
            entered = True
            print(f"entered: {record['method']}, user namespace: {record['userns']}")
            if record["fallback"]:
                print(f"not the best way, because of {record['fallback']}")
        elif record["type"] == "payload":  # this and the next only where the helper stays
            print("the payload runs")
        elif record["type"] == "exit":
            print("the payload has ended")
        elif record["type"] == "error":
            error = record
        # Other types are of later versions: not for us.
    return entered, error


def main(words):
    options = []
    while words and words[0].startswith("--"):
        options.append(words.pop(0))
    if len(words) < 2:
        print(__doc__, file=sys.stderr)
        return 2

    # The directory is opened once, here: whatever happens to its path, this is what is entered.
    root = os.open(words[0], os.O_PATH | os.O_DIRECTORY)
    status_read, status_write = os.pipe()
    sync_read, sync_write = os.pipe()
    result_read, result_write = os.pipe()
    theirs = (root, status_write, sync_read, result_write)

    # The helper inherits its ends only. With a copy of sync_write it would never see that we are gone.
    helper = subprocess.Popen(
        [os.environ.get("INROOT", "inroot"), "exec", f"--status-fd={status_write}",
         f"--sync-fd={sync_read}", f"--pass-fd={result_write}", f"--env=RESULT_FD={result_write}",
         *options, f"fd:{root}", *words[1:]],
        pass_fds=theirs)
    # And we keep ours only: with a copy of status_write here, its end of file would never come.
    for fd in theirs:
        os.close(fd)

    # Beside the records: where the helper stays they end with the payload, and the payload would wait
    # for a reader once the pipe is full.
    result = []
    reader = threading.Thread(target=read_result, args=(result_read, result), daemon=True)
    reader.start()
    with open(status_read, "rb") as records:
        entered, error = follow(records, sync_write)
    # End of file, of the records: the payload runs, or has ended, or there is an error, or the helper
    # was killed. The last is what is left when it neither entered nor said why.
    os.close(sync_write)
    reader.join()
    code = helper.wait()
    if code < 0:  # killed by a signal: written as shells and the helper itself do
        code = 128 - code

    if error:
        print(f"inroot failed at {error['stage']}: {error['op']}: {error['message']}")
        if "hint" in error:
            print(f"hint: {error['hint']}")
    elif not entered:
        print("inroot was killed")
    else:
        print(f"result: {result[0].decode(errors='backslashreplace')!r}")
        print(f"status: {code}")
    return code


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except OSError as failure:
        sys.exit(f"python-parent.py: {failure}")
