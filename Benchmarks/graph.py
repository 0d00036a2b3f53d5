#!/usr/bin/env python3
"""Writes a realistic memory graph: graph.py RECORDS FILE.

About 408 bytes a record: 85 % entities with one to three observations of random words (some of
them accented, Japanese, quoted, with a tab or an emoji), the rest relations, of which some end at
entities that do not exist. The same numbers give the same file.
"""
import json
import random
import sys

TYPES = ["person", "project", "action_step", "desired_outcome"]
LINKS = ["contains", "advances_toward", "knows"]
WHEN = "2026-01-03T00:26:10.220Z"
UNUSUAL = ["é", "naïve", "日本語", '"quoted"', "tab\there", "😀"]


def main(count, path):
    rng = random.Random(7)
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = ["".join(rng.choices(letters, k=rng.randint(2, 10))) for _ in range(5000)]
    vocabulary += UNUSUAL

    def sentence(length):
        words, size = [], 0
        while size < length:
            words.append(rng.choice(vocabulary))
            size += len(words[-1]) + 1
        return " ".join(words)

    with open(path, "w", encoding="utf-8") as out:
        for number in range(count):
            if rng.random() < 0.85:
                record = {
                    "type": "entity",
                    "name": f"node_{number}",
                    "entityType": rng.choice(TYPES),
                    "observations": [
                        sentence(rng.randint(40, 200)) for _ in range(rng.randint(1, 3))
                    ],
                    "metadata": {
                        "chartId": f"chart_{number % 997}",
                        "createdAt": WHEN,
                        "updatedAt": WHEN,
                        "level": number % 4,
                    },
                }
            else:
                record = {
                    "type": "relation",
                    "from": f"node_{rng.randint(0, number + 1)}",
                    "to": f"node_{rng.randint(0, number + 1)}",
                    "relationType": rng.choice(LINKS),
                    "metadata": {"createdAt": WHEN},
                }
            out.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
