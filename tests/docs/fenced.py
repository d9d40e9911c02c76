# SPDX-License-Identifier: MIT
"""Every fenced command of the documents, and what executes it: tests/docs/commands.tsv.

A block of commands begins with ```sh; in any other block, no line may look like one. A command is as printed, without
its comment. Its row of the table says how it is known to work:

  run             it is executed as printed, in a directory that looks like the checkout, and ends with status 0;
                  run:TEXT also prints TEXT
  fails:TEXT      it is executed, ends with status 1 and prints TEXT
  start           it is executed, and begins a machine: it ends by SIGTERM after a while, or has done all that
                  it can without KVM and says that this is missing (or the old interface, from this build)
  usage           no command, but what can be typed: `vmm help` says the same
  row NAME        NAME, of tests/guest/run --list or a step of tests/check, executes it or its like: FILE has TEXT
  hardware        the paragraph before the block says that it needs hardware

A second how, after a comma, may be a row.
"""
import glob
import os
import platform
import re
import subprocess
import tempfile

WORDS = r'(\$ |(sudo |VMM=\S+ )?(make|git|cd|wc|grep|apt|apt-get|vmm|\./vmm|build/vmm|tests/\S+|examples/\S+)( |$))'
CANNOT = r'no /dev/kvm|no permission to open /dev/kvm|built without legacy'
LIMIT_S, START_S = 60, 4
TABLE = 'tests/docs/commands.tsv'
KERNEL_BYTES = 4096
# Headers that a loader takes, and nothing behind them: offset, size, value. x86: boot.rst; arm64: booting.rst.
KERNEL = (
    [(0x1f1, 1, 1), (0x1f4, 4, 192), (0x1fe, 2, 0xaa55), (0x200, 2, 0x6aeb), (0x202, 4, 0x53726448), (0x206, 2, 0x20f),
     (0x211, 1, 1), (0x22c, 4, 0x7fffffff), (0x230, 4, 1 << 21), (0x234, 2, 0x1501), (0x236, 2, 1), (0x238, 4, 2047),
     (0x258, 8, 1 << 24), (0x260, 4, 1 << 20)],
    [(0x08, 8, 0), (0x10, 8, 1 << 20), (0x38, 4, 0x644d5241)],
)


class Command:
    def __init__(self, path, text, before, value=''):
        self.path, self.text, self.before, self.value = path, text, before, value


def plain(line):
    """Without prompt and comment."""
    return re.sub(r'\s+#\s.*', '', re.sub(r'^\$ ', '', line.strip()))


def blocks(text):
    """(info, lines, the paragraph before) of each fenced block."""
    for m in re.finditer(r'^```([a-z]*)\n(.*?)^```', text, re.M | re.S):
        yield m.group(1), m.group(2).splitlines(), text[:m.start()].rstrip().rsplit('\n\n', 1)[-1]


def commands(path, text):
    """Those of fenced blocks, and of a table's column of commands."""
    for info, lines, before in blocks(text):
        if info == 'sh':
            for line in lines:
                if plain(line) and not line.startswith('#'):
                    yield Command(path, plain(line), before)
    for table in re.findall(r'^\|.*\| command \|\n\|[-|]+\n((?:\|.*\n)*)', text, re.M):
        for value, cell in re.findall(r'^\|.*\| ([^|]*) \| `([^`]+)` \|$', table, re.M):
            yield Command(path, cell, '', value)


def unmarked(path, text):
    """Commands in blocks that do not say so."""
    for info, lines, _ in blocks(text):
        for line in lines:
            if info != 'sh' and re.match(WORDS, line):
                yield f'{path}: a block that begins without "sh" has a command: {line}'


class Row:
    def __init__(self, line):
        cells = line.split('\t')
        self.command, hows = cells[0], cells[1].split(', ')
        self.how = [how for how in hows if not how.startswith('row ')]
        self.name = next((how[4:] for how in hows if how.startswith('row ')), None)
        self.file, self.text = (cells[2:] + ['', ''])[:2]


def table_read():
    with open(TABLE, encoding='utf-8') as f:
        return [Row(line.rstrip('\n')) for line in f if line.strip() and not line.startswith('#')]


class Rows:
    """What tests there are by name."""

    def __init__(self):
        as_x86 = 'uname() { echo x86_64; }; export -f uname; tests/guest/run --list'
        listed = subprocess.run(['bash', '-c', as_x86], capture_output=True, text=True, check=True,
                                env={**os.environ, 'LEGACY': '1'})
        with open('tests/check', encoding='utf-8') as f:
            steps = re.findall(r"\| step (?:'([^']+)'|(\w+))", f.read())
        self.names = set(listed.stdout.split()) | {a or b for a, b in steps}
        self.by_hand = ''
        for path in glob.glob('tests/guest/*'):
            if os.access(path, os.R_OK) and os.path.isfile(path):
                with open(path, encoding='utf-8') as f:
                    self.by_hand += f.read()

    def known(self, name):
        """A row, or one that is not in the list but run by hand."""
        return name in self.names or re.search(rf'(?<![\w-]){re.escape(name)}(?![\w-])', self.by_hand)

    def lack(self, row):
        if row.name not in self.names:
            yield f'no test is called {row.name}: {row.command}'
        elif not os.path.exists(row.file):
            yield f'{row.file} is not there: {row.command}'
        else:
            with open(row.file, encoding='utf-8') as f:
                if row.text not in f.read():
                    yield f'{row.file} no longer has {row.text!r}: {row.command}'


class Yard:
    """A directory that looks like the checkout after `make`, with the files that commands name."""

    def __init__(self, build):
        self.dir = tempfile.TemporaryDirectory()
        self.at = self.dir.name
        for name in os.listdir('.'):
            if name not in ('build', '.git'):
                os.symlink(os.path.abspath(name), os.path.join(self.at, name))
        os.symlink(os.path.abspath(build), os.path.join(self.at, 'build'))
        self.files()
        run = os.path.join(self.at, 'run')
        os.mkdir(run, 0o700)
        self.env = {**os.environ, 'XDG_RUNTIME_DIR': run, 'LC_ALL': 'C',
                    'PATH': f'{self.at}/build:{os.environ["PATH"]}'}

    def files(self):
        """A kernel and images, as far as vmm looks at them before it runs them."""
        def file(name, size=1 << 20, data=b''):
            with open(os.path.join(self.at, name), 'wb') as f:
                f.write(data)
                f.truncate(size)
        kernel = bytearray(KERNEL_BYTES)
        for at, size, value in KERNEL[platform.machine() == 'aarch64']:
            kernel[at:at + size] = value.to_bytes(size, 'little')
        file('vmlinuz', KERNEL_BYTES, bytes(kernel))
        for name in ('initrd.img', 'initramfs', 'root.img', 'data.img'):
            file(name)
        for name in ('debian.img', 'a.img', 'b.img'):
            self.image(name)

    def image(self, name):
        """A disk with a boot entry: an ext4 file system without partitions."""
        root = os.path.join(self.at, 'root')
        if not os.path.exists(root):
            os.makedirs(root + '/boot/loader/entries')
            with open(root + '/boot/loader/entries/x.conf', 'w', encoding='utf-8') as f:
                f.write('title x\nlinux /boot/vmlinuz\ninitrd /boot/initrd.img\noptions root=/dev/vda\n')
            for file in ('vmlinuz', 'initrd.img'):
                with open(f'{root}/boot/{file}', 'wb') as f, open(os.path.join(self.at, file), 'rb') as g:
                    f.write(g.read())
        subprocess.run(['mke2fs', '-q', '-F', '-t', 'ext4', '-d', root, os.path.join(self.at, name), '16M'],
                       check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, 'PATH': os.environ['PATH'] + ':/usr/sbin:/sbin'})

    def execute(self, command, limit):
        """Status (None: ended by us) and output."""
        with subprocess.Popen(['bash', '-c', command], cwd=self.at, env=self.env, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True) as p:
            try:
                out = p.communicate(timeout=limit)[0]
                return p.returncode, out
            except subprocess.TimeoutExpired:
                os.killpg(p.pid, 15)
                try:
                    return None, p.communicate(timeout=20)[0]
                except subprocess.TimeoutExpired:
                    os.killpg(p.pid, 9)
                    return -9, p.communicate()[0]


def numbers_lack(command, out):
    """Of a table that says what the command prints: its numbers."""
    have = re.findall(r'\d[\d.,]*', out)
    return [n for n in re.findall(r'\d[\d.,]*\d|\d', command.value) if n not in have]


def outcome(yard, command, how):
    """What is wrong with it when it is executed."""
    kind, _, want = how.partition(':')
    status, out = yard.execute(command.text, START_S if kind == 'start' else LIMIT_S)
    last = (out.strip().splitlines() or ['nothing'])[-1]
    told = f'{command.path}: {command.text}: status {status}, {last}'
    if kind == 'start':
        if not re.search(CANNOT, out) and status not in (None, 0):
            yield told
    elif status != (1 if kind == 'fails' else 0) or want not in out:
        yield told
    elif numbers_lack(command, out):
        yield f'{told}, and not {command.value}'


class Fenced:
    """Checks of all documents together; each yields what is wrong."""

    def __init__(self, build):
        self.table, self.rows, self.yard = table_read(), Rows(), Yard(build)
        helped = subprocess.run([build + '/vmm', 'help'], capture_output=True, text=True, check=True).stdout
        self.usage = re.sub(r'\s+', ' ', helped)

    def row_of(self, command, table=None):
        return next((row for row in table or self.table if row.command == command.text), None)

    def mapped(self, path, text):
        yield from unmarked(path, text)
        for command in commands(path, text):
            if not self.row_of(command):
                yield f'{path}: {TABLE} does not say what executes: {command.text}'

    def used(self, docs, table=None):
        """Rows whose command no document has."""
        have = {c.text for path, text in docs for c in commands(path, text)}
        for row in table or self.table:
            if row.command not in have:
                yield f'{TABLE}: no document has: {row.command}'

    def tested(self, table=None):
        for row in table or self.table:
            if row.name:
                yield from self.rows.lack(row)
            elif not row.how:
                yield f'{TABLE}: nothing is said of {row.command}'

    def executed(self, path, text, table=None):
        for command in commands(path, text):
            row = self.row_of(command, table)
            for how in row.how if row else []:
                if how == 'usage':
                    yield from [] if command.text in self.usage else [f'{path}: vmm help does not say {command.text}']
                elif how == 'hardware':
                    yield from [] if 'hardware' in command.before else [f'{path}: {command.text}: no word of hardware']
                elif how.split(':')[0] in ('run', 'fails', 'start'):
                    yield from outcome(self.yard, command, how)
                else:
                    yield f'{TABLE}: {how} is no way to execute {command.text}'

    def guests(self, path, text):
        """Rows that the prose names for tests/guest/run and all."""
        for names in re.findall(r'tests/guest/(?:all|run)((?: [a-z0-9][\w.-]*)+)`', re.sub(r'\n', ' ', text)):
            for name in names.split():
                if not self.rows.known(name):
                    yield f'{path}: there is no guest {name}'
