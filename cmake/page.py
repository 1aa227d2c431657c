"""Writes agent/status/page.h's page and its Content-Security-Policy as C. The policy names the page's script and style by their
hashes, so a browser runs nothing else, whatever a run's id or a URL contains. Usage: page.py PAGE OUT"""
import base64
import hashlib
import re
import sys


def hashes(page, element):
    """Of every <element> of the page, which may have no attributes."""
    found = re.findall(f"<{element}>(.*?)</{element}>".encode(), page, re.DOTALL)
    if len(found) != 1 or page.count(f"<{element}".encode()) != 1:
        sys.exit(f"{sys.argv[1]}: the page has one <{element}>, without attributes")
    return "'sha256-" + base64.b64encode(hashlib.sha256(found[0]).digest()).decode() + "'"


def main():
    with open(sys.argv[1], "rb") as file:
        page = file.read()
    policy = "; ".join(["default-src 'none'", "script-src " + hashes(page, "script"), "style-src " + hashes(page, "style"),
                        "connect-src 'self'", "img-src data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
                        "require-trusted-types-for 'script'", "trusted-types 'none'"])
    lines = [", ".join(map(str, page[i:i + 24])) for i in range(0, len(page), 24)]
    with open(sys.argv[2], "w") as out:
        out.write('#include "agent/status/page.h"\nconst unsigned char live_page[] = {\n' + ",\n".join(lines) + "};\n"
                  "const size_t live_page_len = sizeof live_page;\n" + f'const char live_page_policy[] = "{policy}";\n')


main()
