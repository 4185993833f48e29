"""What kazoo does with a server at HOST:PORT; ends with 'all well'."""
import sys
import threading

from kazoo.client import KazooClient
from kazoo.exceptions import (BadVersionError, InvalidACLError, NoAuthError, NodeExistsError, NoNodeError,
                              NotEmptyError, RolledBackError, RuntimeInconsistency)
from kazoo.protocol.states import EventType
from kazoo.recipe.watchers import ChildrenWatch, DataWatch
from kazoo.security import make_acl, make_digest_acl

address = sys.argv[1]


def client(**options):
    one = KazooClient(address, timeout=10, **options)
    one.start(timeout=10)
    return one


def expect(error, call, *arguments, **options):
    try:
        call(*arguments, **options)
    except error:
        return
    raise AssertionError(f'{call} did not raise {error}')


a, b = client(), client()
assert a.server_version() >= (3, 8)
assert a.command(b'ruok') == 'imok'

# Znodes.
assert a.create('/k', b'1') == '/k'
expect(NodeExistsError, a.create, '/k')
expect(NoNodeError, a.create, '/no/k')
path, stat = a.create('/k2', b'abc', include_data=True)
assert (path, stat.version, stat.data_length) == ('/k2', 0, 3)
assert a.get('/k')[0] == b'1'
assert a.set('/k', b'2').version == 1
expect(BadVersionError, a.set, '/k', b'3', version=0)
a.ensure_path('/deep/er/path')
assert a.get_children('/deep/er') == ['path']
expect(NotEmptyError, a.delete, '/deep')
a.delete('/deep', recursive=True)
assert a.exists('/deep') is None
assert a.sync('/k') == '/k'
assert a.create('/k/s-', sequence=True) == '/k/s-0000000000'
assert a.create('/k/s-', sequence=True) == '/k/s-0000000001'
children, stat = a.get_children('/k', include_data=True)
assert sorted(children) == ['s-0000000000', 's-0000000001'] and stat.cversion == 2

# Watches.
seen = []
fired = threading.Event()
b.get('/k', watch=lambda event: (seen.append(event), fired.set()))
a.set('/k', b'watched')
assert fired.wait(5) and seen[0].type == EventType.CHANGED and seen[0].path == '/k'
values = []
got = threading.Semaphore(0)
DataWatch(b, '/dw', lambda data, stat: (values.append(data), got.release(), None)[2])
lists = []
listed = threading.Semaphore(0)
ChildrenWatch(b, '/k', lambda names: (lists.append(sorted(names)), listed.release(), None)[2])
assert got.acquire(timeout=5) and listed.acquire(timeout=5)
a.create('/dw', b'x')
assert got.acquire(timeout=5)
a.delete('/k/s-0000000000')
assert listed.acquire(timeout=5)
assert values == [None, b'x'] and lists[-1] == ['s-0000000001']

# Ephemerals end with their session.
c = client()
c.create('/eph', ephemeral=True)
assert a.exists('/eph').ephemeralOwner == c.client_id[0]
gone = threading.Event()
a.exists('/eph', watch=lambda event: gone.set())
c.stop()
assert gone.wait(5) and a.exists('/eph') is None

# ACLs.
d = client(auth_data=[('digest', 'user:secret')])
acl = [make_digest_acl('user', 'secret', all=True)]
d.create('/secret', b's', acl=acl)
assert d.get('/secret')[0] == b's'
expect(NoAuthError, a.get, '/secret')
expect(NoAuthError, a.set, '/secret', b'x')
assert d.get_acls('/secret')[0] == acl
d.set_acls('/secret', [make_acl('world', 'anyone', read=True), *acl])
assert a.get('/secret')[0] == b's'
expect(NoAuthError, a.set, '/secret', b'x')
expect(InvalidACLError, a.create, '/bad', acl=[make_acl('digest', 'nonsense')])

# Transactions.
transaction = a.transaction()
transaction.create('/t', b'1')
transaction.set_data('/t', b'2', version=0)
transaction.check('/t', version=1)
transaction.delete('/k2')
results = transaction.commit()
assert results[0] == '/t' and results[1].version == 1 and results[2] is True and results[3] is True, results
transaction = a.transaction()
transaction.create('/u')
transaction.delete('/nothing')
transaction.create('/v')
results = transaction.commit()
assert [type(one) for one in results] == [RolledBackError, NoNodeError, RuntimeInconsistency], results
assert a.exists('/u') is None

# Recipes.
order = []
lock = a.Lock('/lock', 'a')
lock.acquire()
waiting = threading.Thread(target=lambda: [order.append('b') for _ in [b.Lock('/lock', 'b').acquire(timeout=10)]])
waiting.start()
while len(a.Lock('/lock').contenders()) < 2:
    pass
order.append('a')
lock.release()
waiting.join(10)
assert order == ['a', 'b']
counter = a.Counter('/count')
counter += 5
other = b.Counter('/count')
other -= 2
assert counter.value == 3
queue = a.Queue('/queue')
queue.put(b'1')
queue.put(b'2')
assert [b.Queue('/queue').get() for _ in range(2)] == [b'1', b'2']
party = a.Party('/party', 'a')
party.join()
assert list(b.Party('/party')) == ['a']

for one in (a, b, d):
    one.stop()
print('all well')
