# SPDX-License-Identifier: Apache-2.0
"""A tenon.conf of models for a server under test."""
import os
import shutil
import tempfile

from server import STARTER


class Folder:
    """A temporary folder with a tenon.conf of these models ({name: settings}) and sections."""

    def __init__(self, models, **sections):
        self.models, self.sections = models, dict({"server": {"listen": '"127.0.0.1:0"'}}, **sections)
        self.sections["server"].setdefault("listen", '"127.0.0.1:0"')

    def __enter__(self):
        self.dir = tempfile.mkdtemp()
        self.conf = os.path.join(self.dir, "tenon.conf")
        with open(self.conf, "w") as f:
            for title, settings in list(self.sections.items()) + [("model " + n, s) for n, s in self.models.items()]:
                f.write("%s {\n%s}\n" % (title, "".join("    %s = %s\n" % item for item in settings.items())))
        return self

    def __exit__(self, *exc):
        shutil.rmtree(self.dir)

    def path(self, *parts):
        return os.path.join(self.dir, *parts)


def starter(**settings):
    """Some 20 MiB, and 2 MiB for a sequence."""
    return dict({"path": '"%s"' % STARTER, "context": 512, "load": "demand", "threads": 1}, **settings)
