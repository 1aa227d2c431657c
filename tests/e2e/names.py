"""Names whose addresses a test may change while an agent runs."""
import pathlib
import subprocess


class Names:
    def __init__(self, directory):
        library = directory / "names.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, pathlib.Path(__file__).with_name("names.c"), "-ldl"], check=True)
        self.file, self.known = directory / "names", {}
        self.environment = {"LD_PRELOAD": str(library), "NAMES": str(self.file)}
        self.lead()

    def lead(self, **addresses):
        """lead(moving="127.0.0.2"): moving.test is there from now on."""
        self.known.update(addresses)
        new = self.file.with_suffix(".new")
        new.write_text("".join(f"{name}.test {address}\n" for name, address in self.known.items()))
        new.rename(self.file)
