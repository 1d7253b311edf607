"""Extracts chosen members of a wheel or a .tar.gz.

usage: extract.py ARCHIVE TARGET [INSIDE OUTSIDE]...

INSIDE is a member, or a folder when it ends with "/"; OUTSIDE is where it goes, relative to TARGET.
Exits 1 when an INSIDE matches nothing.
"""
import os
import shutil
import sys
import tarfile
import zipfile


def destination(name, pairs):
    """Where a member goes, or None; marks the pair as used."""
    for pair in pairs:
        inside, outside = pair[0], pair[1]
        if name == inside:
            pair[2] = True
            return outside
        if inside.endswith("/") and name.startswith(inside):
            pair[2] = True
            return os.path.join(outside, name[len(inside):])
    return None


def write(source, path, mode):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
    os.chmod(path, 0o755 if mode & 0o100 else 0o644)


def main():
    archive, target = sys.argv[1:3]
    pairs = [[sys.argv[i], sys.argv[i + 1], False] for i in range(3, len(sys.argv), 2)]
    root = os.path.realpath(target)

    def place(name):
        relative = destination(name, pairs)
        if relative is None:
            return None
        path = os.path.realpath(os.path.join(root, relative))
        if not path.startswith(root + os.sep):
            sys.exit("%s: %s leaves the target folder" % (archive, name))
        return path

    if archive.endswith(".tar.gz"):
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                path = place(member.name) if member.isfile() else None
                if path is not None:
                    write(tar.extractfile(member), path, member.mode)
    else:
        with zipfile.ZipFile(archive) as wheel:
            for info in wheel.infolist():
                path = None if info.is_dir() else place(info.filename)
                if path is not None:
                    with wheel.open(info) as source:
                        write(source, path, info.external_attr >> 16)

    unused = [inside for inside, _, used in pairs if not used]
    if unused:
        sys.exit("%s holds no %s" % (archive, ", ".join(unused)))


main()
