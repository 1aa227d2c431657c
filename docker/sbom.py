"""sbom.py ROOT FILE...: writes into ROOT, an image's file system, what it is made of: the Debian packages that the FILEs of this machine belong to.

    /usr/share/doc/port-agent/port-agent.spdx.json   the list, as SPDX 2.3, with versions and licences
    /usr/share/doc/PACKAGE/copyright                 each package's own words, and the common licences that these refer to
    /var/lib/dpkg/status.d/PACKAGE                   dpkg's record of each, where scanners look in an image without dpkg

VERSION, REVISION and SOURCE_DATE_EPOCH come from the environment. The same packages and environment give the same bytes.
"""
import datetime
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

LICENCES = pathlib.Path("/usr/share/common-licenses")
OURS = "usr/share/doc/port-agent"
# Debian's names of licences (the machine-readable copyright files'), where SPDX has another; without a version of their own: see spdx_name.
SPDX_NAMES = {"Expat": "MIT", "MIT/X": "MIT", "BSD-2-clause": "BSD-2-Clause", "BSD-3-clause": "BSD-3-Clause", "BSD-4-clause": "BSD-4-Clause",
              "Apache-2": "Apache-2.0", "Apache-2.0": "Apache-2.0", "ISC": "ISC", "Zlib": "Zlib", "zlib": "Zlib", "curl": "curl", "MIT": "MIT",
              "BSL-1.0": "BSL-1.0", "MPL-2.0": "MPL-2.0", "0BSD": "0BSD", "CC0-1.0": "CC0-1.0", "CC-BY-3.0": "CC-BY-3.0", "CC-BY-4.0": "CC-BY-4.0",
              "Unicode": "Unicode-DFS-2016", "Unicode-DFS-2016": "Unicode-DFS-2016", "FSFAP": "FSFAP", "PSF-2": "PSF-2.0", "Artistic": "Artistic-1.0-Perl", "OpenLDAP-2.8": "OLDAP-2.8"}


def asked(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def package_of(file):
    """The package that a file is of, with its architecture where dpkg tells it. Files below /usr may be recorded as they were before it was merged."""
    real = str(pathlib.Path(file).resolve())
    for path in (real, real.removeprefix("/usr")):
        found = subprocess.run(["dpkg-query", "-S", path], capture_output=True, text=True)
        if found.returncode == 0:
            return re.split(r",|: ", found.stdout)[0]
    sys.exit(f"sbom: {file} is of no package")


def stanza(package):
    """dpkg's record of a package, as a text and as its fields."""
    text = asked("dpkg-query", "-s", package)
    return text, dict(re.findall(r"(?m)^([\w-]+): *(.*)$", text))


def copyright_of(name, source):
    """The copyright file of a package, which small images have only for one of the packages of a source."""
    siblings = asked("dpkg-query", "-W", "-f", "${source:Package} ${Package}\n").splitlines()
    for one in [name, *(line.split()[1] for line in siblings if line.split()[0] == source)]:
        path = pathlib.Path("/usr/share/doc", one, "copyright")
        if path.exists():
            return path
    sys.exit(f"sbom: {name} has no copyright file")


def spdx_name(name):
    """What SPDX calls a licence that Debian's file names; a name of its own where SPDX has none."""
    gnu = re.fullmatch(r"(L?GPL|GFDL)-(\d)(?:\.(\d))?(\+?)", name)
    if gnu:
        return f"{gnu[1]}-{gnu[2]}.{gnu[3] or 0}-{'or-later' if gnu[4] else 'only'}"
    return SPDX_NAMES.get(name) or "LicenseRef-Debian-" + (re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-") or "other")


def spdx_expression(words):
    """Of a line License:, in which commas bind the weakest: then, and where there is an exception, the line as a whole is one name."""
    if "," in words or " with " in words:
        return spdx_name(words)
    text = " ".join({"and": "AND", "or": "OR"}.get(word) or spdx_name(word) for word in words.replace("and/or", "or").split())
    return text if re.fullmatch(r"\S+( (AND|OR) \S+)*", text) else spdx_name(words)


def declared(text):
    """The licences of a copyright file as an expression; NOASSERTION where the file is none for machines."""
    if not re.match(r"\s*Format(-Specification)?:.*copyright-format", text):
        return "NOASSERTION"
    found = set()
    for paragraph in re.split(r"\n\s*\n", text):
        words = re.search(r"(?m)^License: *(.+)$", paragraph)
        if words and re.search(r"(?m)^(Files|Format):", paragraph):
            one = spdx_expression(words[1].strip())
            found |= {one} if " OR " in one else set(one.split(" AND "))
    return " AND ".join(f"({one})" if " " in one and len(found) > 1 else one for one in sorted(found)) or "NOASSERTION"


def spdx_id(name):
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)


def package_entry(name, fields, licence, release):
    source, version = (fields.get("Source", name) + " ").split(" ", 1)
    who = re.fullmatch(r"(.*?) *<(.*)>", fields["Maintainer"])
    url = f"pkg:deb/debian/{name.replace('+', '%2B')}@{fields['Version'].replace('+', '%2B').replace(':', '%3A')}"
    return {
        "SPDXID": spdx_id("Debian-" + name), "name": name, "versionInfo": fields["Version"], "supplier": f"Organization: {who[1]} ({who[2]})",
        "downloadLocation": "NOASSERTION", "filesAnalyzed": False, "licenseConcluded": "NOASSERTION", "licenseDeclared": licence,
        "copyrightText": "NOASSERTION", "sourceInfo": f"built from the Debian source package {source} {version.strip(' ()') or fields['Version']}",
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                          "referenceLocator": f"{url}?arch={fields['Architecture']}&distro=debian-{release}"}]}


def put(root, path, text):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text, encoding="utf-8")


def main():
    root, files = pathlib.Path(sys.argv[1]), sys.argv[2:]
    version, revision = os.environ["VERSION"], os.environ["REVISION"]
    created = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    release = re.search(r'(?m)^VERSION_ID="?(\d+)', pathlib.Path("/usr/lib/os-release").read_text())[1]
    entries, common = [], {"Apache-2.0"}
    for package in sorted(set(map(package_of, files))):
        record, fields = stanza(package)
        name = fields["Package"]
        words = copyright_of(name, fields.get("Source", name).split()[0]).read_text(encoding="utf-8", errors="replace")
        put(root, f"var/lib/dpkg/status.d/{name}", record)
        put(root, f"usr/share/doc/{name}/copyright", words)
        common |= set(re.findall(r"/usr/share/common-licenses/([\w.-]*\w)", words))
        entries.append(package_entry(name, fields, declared(words), release))
    for name in sorted(common):
        if (LICENCES / name).is_file():
            put(root, LICENCES.relative_to("/") / name, (LICENCES / name).read_text(encoding="utf-8"))
    (root / OURS).mkdir(parents=True)
    shutil.copyfile("LICENSE", root / OURS / "copyright")
    agent = {"SPDXID": spdx_id("port-agent"), "name": "port-agent", "versionInfo": version, "downloadLocation": "NOASSERTION", "filesAnalyzed": False,
             "licenseConcluded": "Apache-2.0", "licenseDeclared": "Apache-2.0", "copyrightText": "NOASSERTION",
             "sourceInfo": f"built from revision {revision}", "primaryPackagePurpose": "APPLICATION"}
    image = {**agent, "SPDXID": spdx_id("image"), "name": "port-agent-image", "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION",
             "primaryPackagePurpose": "CONTAINER"}
    relation = lambda one, kind, other: {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
    references = sorted(set(re.findall(r"LicenseRef-[A-Za-z0-9.-]+", json.dumps(entries))))
    document = {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": f"port-agent-{version}",
        "creationInfo": {"created": created, "creators": [f"Tool: port-agent-sbom-{version}"]},
        "packages": [image, agent, *entries],
        "relationships": [relation("SPDXRef-DOCUMENT", "DESCRIBES", image["SPDXID"]), relation(image["SPDXID"], "CONTAINS", agent["SPDXID"]),
                          *(relation(image["SPDXID"], "CONTAINS", one["SPDXID"]) for one in entries)],
        "hasExtractedLicensingInfos": [{"licenseId": one, "name": one.removeprefix("LicenseRef-Debian-"),
                                        "extractedText": "In /usr/share/doc/PACKAGE/copyright of the packages that name this licence."} for one in references]}
    # Another list has another name, even one of the same revision.
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]
    document["documentNamespace"] = f"https://spdx.org/spdxdocs/port-agent-{version}-{revision}-{digest}"
    put(root, f"{OURS}/port-agent.spdx.json", json.dumps(document, indent=1) + "\n")


main()
