"""Last step of the installer: put the real prefix into the files that name it, and tidy up after an update."""

import json
import os
import sys

prefix = sys.argv[1]
with open(os.path.join(prefix, ".relocate.json"), encoding="utf-8") as handle:
    plan = json.load(handle)
for name in plan["files"]:
    path = os.path.join(prefix, name)
    with open(path, "rb") as source:
        data = source.read()
    mode = os.stat(path).st_mode
    with open(path + ".new", "wb") as target:
        target.write(data.replace(plan["placeholder"].encode(), prefix.encode()))
    os.chmod(path + ".new", mode)
    os.replace(path + ".new", path)
# Records of packages that an older installer brought in another version; what users added to base stays.
records = set(plan["records"])
meta = os.path.join(prefix, "conda-meta")
for name in os.listdir(meta):
    package = name.rsplit("-", 2)[0]
    if name.endswith(".json") and name not in records and any(r.rsplit("-", 2)[0] == package for r in records):
        os.unlink(os.path.join(meta, name))
before = os.path.join(meta, "history.before")
if os.path.exists(before):
    with open(os.path.join(meta, "history"), encoding="utf-8") as now, open(before, "a", encoding="utf-8") as all_of_it:
        all_of_it.write(now.read())
    os.replace(before, os.path.join(meta, "history"))
for name in (".relocate.json", ".relocate.py"):
    os.unlink(os.path.join(prefix, name))
