"""The disk that dead letters are written to: a small tmpfs where one can be mounted, else a directory with a bound on its letters."""
import json
import subprocess

DISK_BYTES = 64 << 20


class Disk:
    def __init__(self, directory):
        self.directory = directory
        directory.mkdir()
        self.mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "chaos", str(directory)],
                                      capture_output=True).returncode == 0

    def environment(self, number):
        """Of an agent: a directory of its own. Without a disk of its own the bound of the letters is what is reached."""
        place = self.directory / f"agent-{number}"
        bound = DISK_BYTES * 4 if self.mounted else DISK_BYTES
        return {"DEAD_LETTER_DIR": str(place), "DEAD_LETTER_MAX_BYTES": str(bound)}

    def fill(self):
        if self.mounted:
            with open(self.directory / "ballast", "wb", buffering=0) as ballast:
                try:
                    while True:
                        ballast.write(bytes(1 << 16))
                except OSError:
                    pass  # full, which is what was wanted
            return
        for place in self.directory.iterdir():
            with open(place / "dead-letters-1970-01-01.jsonl", "wb") as ballast:
                ballast.truncate(DISK_BYTES)

    def free(self):
        for ballast in [self.directory / "ballast", *self.directory.glob("*/dead-letters-1970-01-01.jsonl")]:
            ballast.unlink(missing_ok=True)

    def letters(self):
        """What every letter on the disk holds; ValueError for a line that is not whole."""
        return [json.loads(line) for file in sorted(self.directory.glob("*/dead-letters-*.jsonl")) for line in file.read_text().splitlines()]

    def close(self):
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.directory)], check=False)
