# SPDX-License-Identifier: GPL-2.0-only
"""The two forms of the series, and the way between them.

In this repository: patches/NNNN-*.patch (a message, `New-file:` lines, a diff
of edits to the kernel's own files) and the new files at their kernel paths.
In $BUILD/linux: git branch `dcd`, one commit a patch, on top of `base`.

build() makes commits of the first form, export() the first form of commits.
Both work on git objects alone and leave the working tree as it is.
"""

import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("BUILD") or ROOT / "build").resolve()
LINUX = BUILD / "linux"
PATCHES = ROOT / "patches"
STAMP = LINUX / ".git/dcd-stamp"
OUR_DIRS = ("drivers", "include", "tools", "Documentation")

SERIES_HEADER = ("# SPDX-License-Identifier: GPL-2.0-only\n"
                 "# The patches in order; `make refresh` writes this file.\n")
BASE_HEADER = (
    "# SPDX-License-Identifier: GPL-2.0-only\n"
    "# The kernel that the patches were made on; `make refresh` writes this file.\n"
    "# sha256 is that of Debian's linux-source-7.3.tar.xz, tree git's hash of what"
    " is in it.\n")


class Error(Exception):
    """Something that the user can put right; the text says how."""


class Conflict(Error):
    """The series does not apply to the base; the text says which patch and where."""


def main(function):
    """Run a script's function; an Error is a message, not a traceback."""
    try:
        sys.stdout.reconfigure(line_buffering=True)
        sys.exit(function())
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def text(data):
    """Kernel files are not all UTF-8: bytes that are not survive unchanged."""
    return data.decode("utf-8", "surrogateescape")


def raw(string):
    return string.encode("utf-8", "surrogateescape")


# git ---------------------------------------------------------------------

def identity():
    """(name, email) of whoever runs this; nobody where git knows none."""
    def ask(key, default):
        answer = subprocess.run(["git", "config", key], cwd=ROOT,
                                capture_output=True, text=True, check=False)
        return answer.stdout.strip() or default
    return ask("user.name", "nobody"), ask("user.email", "nobody@localhost")


def git_env(**extra):
    """An environment in which no configuration of the user's changes a diff."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    env.update(GIT_CONFIG_GLOBAL=os.devnull, GIT_CONFIG_SYSTEM=os.devnull,
               GIT_ATTR_NOSYSTEM="1", LC_ALL="C", **extra)
    return env


def git(*args, stdin=b"", env=None, cwd=None):
    """Run git in the kernel tree, return its output."""
    done = subprocess.run(["git", *args], cwd=cwd or LINUX, input=stdin,
                          env=git_env(**(env or {})), capture_output=True, check=False)
    if done.returncode:
        raise Error(f"git {' '.join(args[:2])} failed:\n{text(done.stderr).rstrip()}")
    return text(done.stdout)


def exists(ref):
    return subprocess.run(["git", "rev-parse", "-q", "--verify", f"{ref}^{{commit}}"],
                          cwd=LINUX, env=git_env(), capture_output=True,
                          check=False).returncode == 0


def commits():
    """The commits of the series in the kernel tree, first to last."""
    if not exists("dcd"):
        return []
    if git("merge-base", "base", "dcd").strip() != git("rev-parse", "base").strip():
        raise Error("branch dcd does not stand on branch base; rebase it there")
    if git("rev-list", "--merges", "base..dcd").strip():
        raise Error("branch dcd holds a merge; make it one line of commits "
                    "(git rebase base dcd)")
    return git("rev-list", "--reverse", "base..dcd").split()


def series_id(shas):
    """What the commits amount to, whoever made them and when."""
    log = git("log", "--format=%T%n%B", "base.." + shas[-1]) if shas else ""
    return hashlib.sha256(raw(log)).hexdigest()


# the repository ------------------------------------------------------------

class Patch:
    """One file in patches/: message, names of new files, diff."""

    def __init__(self, name):
        self.name = name
        path = PATCHES / name
        if not path.is_file():
            raise Error(f"patches/series names {name}, which is not in patches/")
        head, mark, self.diff = text(path.read_bytes()).partition("\n---\n")
        if not mark:
            raise Error(f"patches/{name} has no line '---' after its message")
        lines = head.split("\n")
        self.new_files = [line[len("New-file: "):] for line in lines
                          if line.startswith("New-file: ")]
        self.message = "\n".join(line for line in lines
                                 if not line.startswith("New-file: ")).strip()


def content_lines(path):
    if not path.is_file():
        return []
    return [line.strip() for line in path.read_text().splitlines()
            if line.strip() and not line.startswith("#")]


def patches():
    return [Patch(name) for name in content_lines(PATCHES / "series")]


def base_record():
    """patches/base as a dictionary: version, sha256, tree."""
    return dict(line.split() for line in content_lines(PATCHES / "base"))


def inputs_id():
    """Hash of everything in the repository that branch dcd is made of."""
    digest = hashlib.sha256(raw(git("rev-parse", "base^{tree}")))
    for patch in patches():
        digest.update(raw(patch.name) + (PATCHES / patch.name).read_bytes())
        for name in patch.new_files:
            digest.update(raw(name) + (read_new_file(patch, name)))
            digest.update(raw(file_mode(ROOT / name)))
    return digest.hexdigest()


def read_new_file(patch, name):
    path = ROOT / name
    if not path.is_file():
        raise Error(f"patches/{patch.name} brings in {name}, which is not there; "
                    f"add the file or take out the line 'New-file: {name}'")
    return path.read_bytes()


def file_mode(path):
    return "100755" if path.stat().st_mode & stat.S_IXUSR else "100644"


def own_files():
    """Every file of ours at a kernel path."""
    found = []
    for top in OUR_DIRS:
        for directory, _, names in os.walk(ROOT / top):
            if "__pycache__" in directory:
                continue
            found += [str((Path(directory) / name).relative_to(ROOT)) for name in names
                      if not name.startswith(".") and not name.endswith(("~", ".pyc"))]
    return sorted(found)


def naming_faults():
    """Is each file of ours named by one patch, or in patches/not-in-series?"""
    faults, named = [], {}
    series = patches()
    for patch in series:
        for name in patch.new_files:
            named.setdefault(name, []).append(patch.name)
    globs = content_lines(PATCHES / "not-in-series")
    for name in own_files():
        outside = any(fnmatchcase(name, glob) for glob in globs)
        count = len(named.get(name, []))
        if count == 0 and not outside:
            faults.append(f"{name} is brought in by no patch; add it to the commit it "
                          "belongs to and `make refresh`, or to patches/not-in-series")
        elif count and outside:
            faults.append(f"{name} is in patches/{named[name][0]} and matches "
                          "patches/not-in-series")
    for name, users in named.items():
        if len(users) > 1:
            faults.append(f"{name} is brought in twice: {', '.join(users)}")
        if not (ROOT / name).is_file():
            faults.append(f"{name}, brought in by {users[0]}, is not there")
    listed = {patch.name for patch in series}
    faults += [f"patches/{path.name} is not in patches/series"
               for path in sorted(PATCHES.glob("*.patch")) if path.name not in listed]
    return faults


# MAINTAINERS -------------------------------------------------------------

def sections(lines):
    """(line number, title) of each section in the kernel's MAINTAINERS."""
    start = lines.index("Maintainers List") if "Maintainers List" in lines else 0
    return [(i, lines[i]) for i in range(start + 1, len(lines) - 1)
            if not lines[i - 1].strip() and lines[i].strip()
            and re.match(r"[A-Z]:\s", lines[i + 1])]


def add_section(maintainers, section):
    """Insert a section in its alphabetical place.

    The list is not quite sorted, so the place is where the fewest titles
    stand on the wrong side; the order is that of scripts/parse-maintainers.pl.
    """
    lines = maintainers.split("\n")
    title = section.split("\n")[0].upper()
    titles = sections(lines)
    best, fewest, wrong = 0, None, sum(t.upper() < title for _, t in titles)
    for index, (_, other) in enumerate(titles):
        if fewest is None or wrong < fewest:
            best, fewest = index, wrong
        wrong += 1 if other.upper() > title else -1
    if not titles:
        raise Error("no sections found in the kernel's MAINTAINERS")
    place = titles[best][0]
    return "\n".join(lines[:place] + section.rstrip("\n").split("\n") + [""]
                     + lines[place:])


def new_section(before, after):
    """The section that `after` has more than `before`, or None."""
    lines = after.split("\n")
    found = sections(lines)
    known = {title for _, title in sections(before.split("\n"))}
    added = [i for i, title in found if title not in known]
    if not added:
        return None
    end = lines.index("", added[0]) if "" in lines[added[0]:] else len(lines)
    section = "\n".join(lines[added[0]:end]) + "\n"
    if len(added) > 1 or add_section(before, section) != after:
        raise Error("a commit changes MAINTAINERS by more than one section in its "
                    "alphabetical place; `scripts/maintainers` puts ours there")
    return section


# repository -> commits -----------------------------------------------------

def failing_hunk(diff, path, line):
    """The hunk header that git's 'patch failed: PATH:LINE' is about."""
    here = False
    for text_line in diff.split("\n"):
        if text_line.startswith("--- "):
            here = text_line == f"--- a/{path}"
        elif here and re.match(rf"@@ -{line}[, ]", text_line):
            return text_line
    return f"line {line}"


def apply_diff(patch, env):
    done = subprocess.run(["git", "apply", "--cached", "--verbose", "--whitespace=nowarn"],
                          cwd=LINUX, input=raw(patch.diff), env=git_env(**env),
                          capture_output=True, check=False)
    if done.returncode:
        errors = text(done.stderr)
        where = [f"  {path}: {failing_hunk(patch.diff, path, line)}" for path, line
                 in re.findall(r"error: patch failed: (.*):(\d+)", errors)]
        where += [f"  {path}: not in this tree" for path
                  in re.findall(r"error: (.*): does not exist in index", errors)]
        raise Conflict("\n".join([f"patches/{patch.name} does not apply:",
                                  *(where or [errors.rstrip()])]))


def build(series):
    """Make a commit of each patch; return them, first to last."""
    name, email = identity()
    made, parent = [], git("rev-parse", "base").strip()
    with tempfile.TemporaryDirectory(prefix="dcd-") as scratch:
        env = {"GIT_INDEX_FILE": scratch + "/index"}
        git("read-tree", "base", env=env)
        for number, patch in enumerate(series, 1):
            if patch.diff.strip():
                apply_diff(patch, env)
            entries = []
            for path in patch.new_files:
                data, mode = read_new_file(patch, path), "100644"
                if path == "MAINTAINERS":
                    data = raw(add_section(git("show", ":MAINTAINERS", env=env), text(data)))
                elif git("ls-files", "--", path, env=env):
                    raise Conflict(f"patches/{patch.name} brings in {path}, "
                                   "which is in the tree already")
                else:
                    mode = file_mode(ROOT / path)
                blob = git("hash-object", "-w", "--stdin", "--no-filters", stdin=data).strip()
                entries.append(f"{mode} {blob}\t{path}\n")
            git("update-index", "--add", "--index-info", stdin=raw("".join(entries)), env=env)
            when = f"{1700000000 + 60 * number} +0000"
            parent = commit(git("write-tree", env=env).strip(), parent, patch.message,
                            name, email, when)
            made.append(parent)
    return made


def commit(tree, parent, message, name, email, when):
    return git("commit-tree", tree, "-p", parent, stdin=raw(message + "\n"), env={
        "GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": email, "GIT_AUTHOR_DATE": when,
        "GIT_COMMITTER_NAME": name, "GIT_COMMITTER_EMAIL": email,
        "GIT_COMMITTER_DATE": when}).strip()


# commits -> repository -----------------------------------------------------

DIFF = ("-M", "--no-color", "--no-ext-diff", "--no-textconv", "--binary", "-U3",
        "--inter-hunk-context=0", "--diff-algorithm=myers", "--indent-heuristic",
        "--src-prefix=a/", "--dst-prefix=b/")


def clean_message(sha):
    lines = [line.rstrip() for line in git("log", "-1", "--format=%B", sha).split("\n")
             if not re.match(r"Signed-off-by: |From: .*@", line)]
    for line in lines:
        if re.match(r"---(\s|$)|diff -|Index: |New-file:", line):
            raise Error(f"the message of commit {sha[:12]} has a line that `git am` or "
                        f"`make tree` would take for something else: {line!r}")
    return "\n".join(lines).strip()


def changes(sha):
    """(status, paths, mode) of each file that a commit touches."""
    fields = git("diff-tree", "-r", "-M", "--raw", "-z", "--no-commit-id", sha + "^",
                 sha).split("\0")
    position = 0
    while position < len(fields) - 1:
        _, mode, _, _, status = fields[position].split(" ")
        count = 2 if status[0] in "RC" else 1
        yield status[0], fields[position + 1:position + 1 + count], mode
        position += 1 + count


def export(shas):
    """The repository's form of the commits: {path: (mode, bytes)}."""
    files, names, added = {}, [], {}
    for number, sha in enumerate(shas, 1):
        message = clean_message(sha)
        subject, _, body = message.partition("\n")
        me = f"{sha[:12]} ({subject})"
        edits, new = [], []
        for status, paths, mode in changes(sha):
            for path in paths:
                if path in added:
                    raise Error(f"commit {me}\n  changes {path}, which commit "
                                f"{added[path]}\n  of the series added. A new file lands "
                                "whole in one commit: squash the change into that one")
            if paths == ["MAINTAINERS"]:
                section = new_section(git("show", sha + "^:MAINTAINERS"),
                                      git("show", sha + ":MAINTAINERS"))
                if section:
                    new.append("MAINTAINERS")
                    files["MAINTAINERS"] = ("100644", raw(section))
                    continue
            if status == "A":
                if mode not in ("100644", "100755"):
                    raise Error(f"commit {me} adds {paths[0]}, which is no plain file")
                new.append(paths[0])
                files[paths[0]] = (mode, raw(git("cat-file", "blob", f"{sha}:{paths[0]}")))
            else:
                edits += paths
        added.update({path: me for path in new if path != "MAINTAINERS"})
        if not edits and not new:
            raise Error(f"commit {me} changes nothing; drop it")
        diff = git("diff-tree", "-p", *DIFF, "--abbrev=12", sha + "^", sha, "--",
                   *edits) if edits else ""
        slug = re.sub(r"[^A-Za-z0-9._]+", "-", subject)[:52].strip("-.")
        name = f"{number:04}-{slug}.patch"
        names.append(name)
        body = body.strip()
        files["patches/" + name] = ("100644", raw("".join([
            subject, "\n\n", body + "\n\n" if body else "",
            *(f"New-file: {path}\n" for path in sorted(new)), "---\n",
            "\n" + diff if diff else ""])))
    files["patches/series"] = ("100644", raw(SERIES_HEADER + "".join(n + "\n" for n in names)))
    return files


def read_stamp():
    try:
        return json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}


def write_stamp(shas):
    """Branch dcd and the repository say the same now."""
    STAMP.write_text(json.dumps({"inputs": inputs_id(), "series": series_id(shas)}) + "\n")


def uncommitted():
    """Tracked files of the kernel tree with changes that no commit holds."""
    return [line[3:] for line in git("status", "--porcelain", "-uno").splitlines()]


def untracked():
    """Files that `git add` was forgotten for. Debian's .gitignore hides them all."""
    return [name for name in git("ls-files", "-o").splitlines()
            if not re.search(r"\.(o|ko|cmd|mod|mod\.c|orig|rej|pyc|swp|order|symvers)$|~$"
                             r"|/\.[^/]*\.d$|^tools/(cxl/dcd|build/fixdep)$", name)]
