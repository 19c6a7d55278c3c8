"""Writes what a release is made of and how it was built, from `cargo metadata` on standard input:

    describe.py DIRECTORY NAME COMMIT SECONDS

NAME.cdx.json is a CycloneDX 1.5 list of all crates in the program (cyclonedx.org/docs/1.5/json). NAME.provenance.json is an in-toto
statement with the predicate slsa.dev/provenance/v1 about the files in DIRECTORY; nobody has signed it.
"""

import datetime
import hashlib
import json
import pathlib
import subprocess
import sys

directory, name, commit, seconds = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
metadata = json.load(sys.stdin)
packages = {package["id"]: package for package in metadata["packages"]}
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
root = metadata["resolve"]["root"]
time = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
checksums = {}
entry = {}
for line in pathlib.Path("Cargo.lock").read_text().splitlines():
    key, _, value = line.partition(" = ")
    if line == "[[package]]":
        entry = {}
    elif value:
        entry[key] = value.strip('"')
        if key == "checksum":
            checksums[entry["name"], entry["version"]] = entry["checksum"]


def linked(start):
    """The crates that are compiled into the program or run while it is built, without those that only tests use."""
    found, open_ = set(), [start]
    while open_:
        one = open_.pop()
        if one in found:
            continue
        found.add(one)
        for dependency in nodes[one]["deps"]:
            if any(kind["kind"] != "dev" for kind in dependency["dep_kinds"]):
                open_.append(dependency["pkg"])
    return found


def reference(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package):
    described = {
        "type": "application" if package["id"] == root else "library",
        "bom-ref": reference(package),
        "name": package["name"],
        "version": package["version"],
        "purl": reference(package),
    }
    if package.get("license"):
        described["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    digest = checksums.get((package["name"], package["version"]))
    if digest:
        described["hashes"] = [{"alg": "SHA-256", "content": digest}]
    return described


used = sorted(linked(root), key=lambda one: (packages[one]["name"], packages[one]["version"]))
dependencies = []
for one in used:
    on = {dependency["pkg"] for dependency in nodes[one]["deps"]} & set(used)
    dependencies.append({"ref": reference(packages[one]), "dependsOn": sorted(reference(packages[other]) for other in on)})
bom = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.5",
    "version": 1,
    "metadata": {"timestamp": time, "component": component(packages[root])},
    "components": [component(packages[one]) for one in used if one != root],
    "dependencies": dependencies,
}
(directory / f"{name}.cdx.json").write_text(json.dumps(bom, indent=1, sort_keys=True) + "\n")

files = sorted(path for path in directory.iterdir() if path.name.startswith("countersign") and "provenance" not in path.name)
compiler = subprocess.run(["rustc", "--version", "--verbose"], check=True, capture_output=True, text=True).stdout
statement = {
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [
        {"name": path.name, "digest": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}} for path in files
    ],
    "predicateType": "https://slsa.dev/provenance/v1",
    "predicate": {
        "buildDefinition": {
            "buildType": "urn:countersign:build:package:v1",
            "externalParameters": {"script": ".ci/package"},
            "internalParameters": {"rustc": compiler.strip()},
            "resolvedDependencies": [
                {"name": "source", "digest": {"gitCommit": commit}},
                {"name": "Cargo.lock", "digest": {"sha256": hashlib.sha256(pathlib.Path("Cargo.lock").read_bytes()).hexdigest()}},
            ],
        },
        "runDetails": {"builder": {"id": "urn:countersign:builder:local"}},
    },
}
(directory / f"{name}.provenance.json").write_text(json.dumps(statement, indent=1, sort_keys=True) + "\n")
