"""What stands in a guide: its commands, its configurations, and what it says that only an account shows."""

import re

# A word like these at the beginning makes a command of what stands in a line.
PROGRAMS = ("nestling", "fly", "aws", "make", "docker")
# Under this heading a guide lists what runs nowhere else, a `name` or several in each item.
ACCOUNT = "## What only an account shows"


class Guide:
    def __init__(self, path, name):
        self.name = name
        self.text = path.read_text()
        parts = re.split(r"^ *```", self.text, flags=re.MULTILINE)
        # What stands between fences, by its language; a fence that ends begins with the end of its line.
        self.blocks = [part.split("\n", 1) for part in parts[1::2]]
        self.prose = "\n".join(parts[0::2])

    def commands(self):
        """Those in blocks, in order: without the prompt, and without what is said of them behind."""
        found = []
        for language, block in self.blocks:
            if language != "console":
                continue
            for line in block.splitlines():
                if (line := line.strip()).startswith("$ "):
                    found.append(re.sub(r"\s{2,}# .*$", "", line[2:]))
        return found

    def mentioned(self):
        """Those in the middle of a sentence, each once."""
        spans = re.findall(r"`([^`]+)`", self.without_list())
        spans = (" ".join(span.split()) for span in spans)
        is_command = re.compile(rf"({'|'.join(PROGRAMS)}) [a-z]")
        return list(dict.fromkeys(span for span in spans if is_command.match(span)))

    def configurations(self):
        """The files of TOML, in order."""
        blocks = (block for language, block in self.blocks if language == "toml")
        return [re.sub(r"^ {3}", "", block, flags=re.MULTILINE) for block in blocks]

    def only_on_an_account(self):
        """The names of what runs nowhere else."""
        _, _, section = self.prose.partition(ACCOUNT + "\n")
        section = re.split(r"^## ", section, flags=re.MULTILINE)[0]
        items = re.findall(r"^- (.*?):", section, flags=re.MULTILINE)
        return [name for item in items for name in re.findall(r"`([^`]+)`", item)]

    def is_listed(self, command):
        names = self.only_on_an_account()
        return any(command == name or command.startswith(name + " ") for name in names)

    def without_list(self):
        before, _, after = self.prose.partition(ACCOUNT + "\n")
        _, _, after = after.partition("\n## ")
        return before + after
