#!/usr/bin/env python3
"""Writes a content archive of intents: objects.py FILES DIRECTORY.

Each file lies under its SHA-256, two pairs of hex digits deep, pretty-printed, and `index.json`
names them all. The same number gives the same archive.
"""
import hashlib
import json
import os
import random
import sys

STATES = ["Active", "Executing", "Completed", "Failed", "Archived", "Suspended"]


def main(count, path):
    rng = random.Random(7)
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = ["".join(rng.choices(letters, k=rng.randint(2, 10))) for _ in range(5000)]
    parents = [None] + [rng.randrange(number) for number in range(1, count)]
    children = {}
    for number, parent in enumerate(parents):
        children.setdefault(parent, []).append(f"intent-{number:06d}")
    index = {}
    for number in range(count):
        intent = {
            "intent_id": f"intent-{number:06d}",
            "name": " ".join(rng.choices(vocabulary, k=3)),
            "original_request": " ".join(rng.choices(vocabulary, k=12)),
            "rtfs_intent_source": "",
            "goal": " ".join(rng.choices(vocabulary, k=20)),
            "constraints": {"max_cost": str(rng.randint(1, 900))},
            "preferences": {},
            "success_criteria": None,
            "parent_intent": f"intent-{parents[number]:06d}" if number else None,
            "child_intents": children.get(number, []),
            "triggered_by": "HumanRequest",
            "generation_context": {
                "arbiter_version": "1.0", "generation_timestamp": 1767400000 + number,
                "input_context": {}, "reasoning_trace": None},
            "status": rng.choice(STATES),
            "priority": rng.randint(0, 9),
            "created_at": 1767400000 + number,
            "updated_at": 1767400000 + number,
            "metadata": {},
        }
        compact = json.dumps(intent, ensure_ascii=False, separators=(",", ":"))
        name = hashlib.sha256(compact.encode()).hexdigest()
        place = f"{name[:2]}/{name[2:4]}/{name}.json"
        os.makedirs(os.path.dirname(f"{path}/{place}"), exist_ok=True)
        with open(f"{path}/{place}", "w", encoding="utf-8") as out:
            json.dump(intent, out, ensure_ascii=False, indent=2)
        index[name] = place
    with open(f"{path}/index.json", "w") as out:
        json.dump(index, out, indent=2)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
