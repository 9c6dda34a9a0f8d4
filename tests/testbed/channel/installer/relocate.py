"""Last step of the installer: put the real prefix into the files that name it, and tidy up after an update."""

import hashlib
import json
import os
import sys

prefix = sys.argv[1]
meta = os.path.join(prefix, "conda-meta")
with open(os.path.join(prefix, ".relocate.json"), encoding="utf-8") as handle:
    plan = json.load(handle)


def rewrite(path: str, changes: dict[str, str]) -> bytes:
    """Replace text in a file; a script that runs meanwhile is not disturbed. Returns the new content."""
    with open(path, "rb") as source:
        data = source.read()
    for old, new in changes.items():
        data = data.replace(old.encode(), new.encode())
    with open(path + ".new", "wb") as target:
        target.write(data)
    os.chmod(path + ".new", os.stat(path).st_mode)
    os.replace(path + ".new", path)
    return data


changes = {plan["placeholder"]: prefix}
checksums = {}
for name in plan["files"]:
    data = rewrite(os.path.join(prefix, name), changes)
    checksums["sha256 of " + name] = hashlib.sha256(data).hexdigest()
for name in plan["records"]:
    rewrite(os.path.join(meta, name), {**changes, **checksums})
# After an update: packages that the older installer brought in another version. What users added to base stays.
new = {name.rsplit("-", 2)[0] for name in plan["records"]}
outdated, kept = [], set()
for name in os.listdir(meta):
    if name.endswith(".json"):
        with open(os.path.join(meta, name), encoding="utf-8") as record:
            files = json.load(record)["files"]
        if name in plan["records"] or name.rsplit("-", 2)[0] not in new:
            kept.update(files)
        else:
            outdated.append((name, files))
for name, files in outdated:
    for path in set(files) - kept:
        if os.path.lexists(os.path.join(prefix, path)):
            os.unlink(os.path.join(prefix, path))
    folders = {os.path.dirname(path) for path in files}
    while folders:
        empty = {name for name in folders if name and os.path.isdir(os.path.join(prefix, name))}
        empty = {name for name in empty if not os.listdir(os.path.join(prefix, name))}
        for folder in empty:
            os.rmdir(os.path.join(prefix, folder))
        folders = {os.path.dirname(folder) for folder in empty}
    os.unlink(os.path.join(meta, name))
before = os.path.join(meta, "history.before")
if os.path.exists(before):
    with open(os.path.join(meta, "history"), encoding="utf-8") as now, open(before, "a", encoding="utf-8") as all_of_it:
        all_of_it.write(now.read())
    os.replace(before, os.path.join(meta, "history"))
for name in (".relocate.json", ".relocate.py"):
    os.unlink(os.path.join(prefix, name))
