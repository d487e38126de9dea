# SPDX-License-Identifier: MIT
"""What extraction does to a tree, without descriptors and without a cache: each path is walked anew.

Operations are ("dir", name), ("file", name, content), ("sym", name, target) and ("hard", name, target).
"""
import tarball

MAX_LINKS = 40


class Refused(Exception):
    """The archive is at fault."""


class Inode:
    """kind: dir (value: a dict), file (content) or link (target)."""

    def __init__(self, kind, value, parent=None):
        self.kind, self.value, self.parent = kind, value, parent


def components(name):
    return [c for c in name.split("/") if c not in ("", ".")]


class Model:
    """A root, and below it the directory that names start from."""

    def __init__(self, directory=""):
        self.root = Inode("dir", {})
        self.root.parent = self.start = self.root
        for name in components(directory):
            self.start = self.make(self.start, name)

    def make(self, parent, name):
        parent.value[name] = made = Inode("dir", {}, parent)
        return made

    def walk(self, names, create):
        """The directory at those components; the ones that are missing are made, but none of a link's."""
        here, todo, links = self.start, [(n, create) for n in names], 0
        while todo:
            name, may_make = todo.pop(0)
            if name == "..":
                here = here.parent
                continue
            found = here.value.get(name)
            if found is None and may_make:
                found = self.make(here, name)
            if found is None or found.kind == "file":
                raise Refused(name)
            if found.kind == "link":
                links += 1
                if links > MAX_LINKS:
                    raise Refused("loop")
                if found.value.startswith("/"):
                    here = self.root
                todo = [(c, False) for c in components(found.value)] + todo
            else:
                here = found
        return here

    def apply(self, kind, name, value=None):
        *parents, last = components(name)
        if kind == "hard":
            *above, final = components(value)
            target = self.walk(above, False).value.get(final)
            if target is None or target.kind == "dir":
                raise Refused(value)
        here = self.walk(parents, True)
        old = here.value.get(last)
        if kind == "dir":
            if not (old and old.kind == "dir"):
                self.make(here, last)
        elif kind == "hard":
            if old is not target:
                if old and old.kind == "dir" and old.value:
                    raise Refused("the target may be in there")
                here.value[last] = target
        else:
            here.value[last] = Inode("link" if kind == "sym" else "file", value)

    def listing(self):
        """{path: (kind, content or target)}, and the sets of paths of one inode."""
        found, groups, todo = {}, {}, [("", self.root)]
        while todo:
            path, here = todo.pop()
            for name, inode in here.value.items():
                below = f"{path}/{name}" if path else name
                found[below] = (inode.kind, None if inode.kind == "dir" else inode.value)
                if inode.kind == "dir":
                    todo.append((below, inode))
                else:
                    groups.setdefault(id(inode), set()).add(below)
        return found, sorted(sorted(g) for g in groups.values() if len(g) > 1)


def after(operations, directory=""):
    model = Model(directory)
    for operation in operations:
        model.apply(*operation)
    return model.listing()


def listing_of(tree):
    """The same of an unpack_host.Tree."""
    found, groups = {}, {}
    for name, node in tree.nodes.items():
        if name:
            found[name] = (node.kind, node.value)
            if node.kind != "dir":
                groups.setdefault(node.same, set()).add(name)
    return found, sorted(sorted(g) for g in groups.values() if len(g) > 1)


def entry_of(kind, name, value=None, prefix=""):
    """The operation as a tar entry; prefix: components that --strip-components takes away."""
    if kind == "dir":
        return tarball.directory(prefix + name)
    if kind == "file":
        return tarball.file(prefix + name, value)
    if kind == "sym":
        return tarball.sym(prefix + name, value)
    return tarball.hard(prefix + name, prefix + value)


# -- random archives ---------------------------------------------------------------------------

def spelled(random, name):
    """The same name, written in another way."""
    style = random.randrange(8)
    return {0: "./" + name, 1: "/" + name, 2: name.replace("/", "//"), 3: name.replace("/", "/./"),
            4: ".//" + name}.get(style, name)


def random_name(random):
    """Mostly deep: what is replaced near the top takes everything with it."""
    depth = random.choices((1, 2, 3, 4, 5), (1, 12, 30, 30, 10))[0]
    return "/".join(random.choice(("a", "b", "ab", "abc", "c", "d")) for _ in range(depth))


def random_target(random):
    target = random_name(random)[:random.choice((1, 3, 5))].rstrip("/")
    style = random.randrange(10)
    return {0: "/" + target, 1: "../" * random.randint(1, 5) + target, 2: "/", 3: "..", 4: ".",
            5: target + "/..", 6: "/" + target, 7: "../" + target}.get(style, target)


def random_operations(random, count, directory=""):
    """So many operations, none of which is refused; each leaves another content behind."""
    model, chosen, made = Model(directory), [], ["a"]
    while len(chosen) < count:
        kind = random.choices(("dir", "file", "sym", "hard"), (4, 6, 4, 2))[0]
        value = {"file": b"%d\n" % len(chosen), "sym": random_target(random),
                 "hard": random.choice(made[-20:]), "dir": None}[kind]
        name = random_name(random)
        parents = components(name)[:-1]
        try:
            model.walk(parents, False)
        except Refused:
            # A parent that is missing is made; one that can't be would leave some of it behind.
            if random.randrange(4) or not missing_only(model, parents):
                continue
        try:
            model.apply(kind, name, value)
        except Refused:
            continue
        made.append(name)
        chosen.append((kind, spelled(random, name), *([] if value is None else [value])))
    return chosen


def missing_only(model, parents):
    """Would the walk only make directories."""
    for i in range(len(parents)):
        try:
            model.walk(parents[:i + 1], False)
        except Refused:
            try:
                return parents[i] not in model.walk(parents[:i], False).value
            except Refused:
                return False
    return True
