"""Names whose addresses a test may change while an agent runs."""
import pathlib
import subprocess


def preload(directory, name):
    """The library that names.c, connects.c or hasty.c makes."""
    library = directory / f"{name}.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, pathlib.Path(__file__).with_name(f"{name}.c"), "-ldl"], check=True)
    return str(library)


class Names:
    def __init__(self, directory):
        self.file, self.known = directory / "names", {}
        self.environment = {"LD_PRELOAD": preload(directory, "names"), "NAMES": str(self.file)}
        self.lead()

    def lead(self, **addresses):
        """lead(moving="127.0.0.2"): moving.test is there from now on; "127.0.0.2 ::1" is both."""
        self.known.update(addresses)
        new = self.file.with_suffix(".new")
        new.write_text("".join(f"{name}.test {address}\n" for name, addresses in self.known.items() for address in addresses.split()))
        new.rename(self.file)


class Connects:
    """Notes what the agent connects to beside loopback, which it never comes to."""

    def __init__(self, directory):
        self.file = directory / "connects"
        self.file.touch()
        self.environment = {"LD_PRELOAD": preload(directory, "connects"), "CONNECTS": str(self.file)}

    def addresses(self):
        return self.file.read_text().split()
