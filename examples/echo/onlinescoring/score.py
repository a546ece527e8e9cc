"""Answers with what it was sent, needs no package and no model. For load tests and for trying out settings.

Environment variables: SLEEP_MS is how long a request takes, INIT_MS how long the start takes.
"""

import json
import os
import time


def init():
    global pause
    pause = float(os.environ.get("SLEEP_MS", "0")) / 1000
    time.sleep(float(os.environ.get("INIT_MS", "0")) / 1000)


def run(raw_data):
    if pause:
        time.sleep(pause)
    return json.loads(raw_data)
