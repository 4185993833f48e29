import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFile, stat, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import test from 'node:test'
import tls from 'node:tls'
import { temporaryFolder } from '@khlong/core/testing'
import { Authority, ownHosts } from '../src/authority/authority.ts'
import { addressBytes } from '../src/authority/certificate.ts'
import { itemsOf, sequence, tagged, time } from '../src/authority/der.ts'

const read = async (file: string): Promise<X509Certificate> =>
  new X509Certificate(await readFile(file))

test('a server’s certificate is of the authority and for all names that the server has', async (t) => {
  const folder = path.join(await temporaryFolder(t), 'certs')
  const authority = await Authority.open(folder, 'Test')
  const files = await authority.issueServer(['box.local', '192.0.2.7', '2001:db8::7'])
  const [root, server] = [await read(authority.certificateFile), await read(files.certificate)]
  assert.equal(root.ca, true)
  assert.equal(server.ca, false)
  assert.ok(root.verify(root.publicKey))
  assert.ok(server.verify(root.publicKey) && server.checkIssued(root))
  assert.equal(server.checkHost('box.local'), 'box.local')
  assert.equal(server.checkHost('other.local'), undefined)
  assert.equal(server.checkIP('192.0.2.7'), '192.0.2.7')
  assert.equal(server.checkIP('2001:db8::7'), '2001:db8::7')
  assert.equal(root.fingerprint256, authority.fingerprint)
  if (process.platform !== 'win32')
    for (const key of [files.key, path.join(folder, 'ca.key')])
      assert.equal((await stat(key)).mode & 0o777, 0o600)
})

test('the authority is the same when it is opened again, and refused where its files are broken', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await Authority.open(folder)
  const second = await Authority.open(folder)
  assert.equal(second.fingerprint, first.fingerprint)
  const client = await second.issueClient('alice')
  assert.ok((await read(client.certificate)).verify((await read(first.certificateFile)).publicKey))
  await writeFile(path.join(folder, 'ca.key'), await readFile(client.key))
  await assert.rejects(Authority.open(folder), { code: 'KHLONG_CERTIFICATE' })
})

/** Whether a client with the certificate gets through a handshake. */
async function isWelcome(folder: string, client: string): Promise<boolean> {
  const file = (name: string): Promise<Buffer> => readFile(path.join(folder, name))
  const ca = await file('ca.crt')
  const options = { cert: await file('server.crt'), key: await file('server.key'), ca }
  const crl = await file('crl.pem')
  const server = tls.createServer({ ...options, crl, requestCert: true }, (socket) => {
    socket.on('error', () => {})
    socket.end(`hello ${String(socket.getPeerCertificate().subject.CN)}`)
  })
  server.on('tlsClientError', () => {})
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const cert = await file(`clients/${client}.crt`)
  const key = await file(`clients/${client}.key`)
  const socket = tls.connect({ port, host: '127.0.0.1', ca, cert, key })
  let said = ''
  socket.on('data', (chunk) => {
    said += String(chunk)
  })
  socket.on('error', () => {})
  await once(socket, 'close')
  server.close()
  return said === `hello ${client}`
}

test('a client of the authority is let in by TLS until its certificate is revoked', async (t) => {
  const folder = await temporaryFolder(t)
  const authority = await Authority.open(folder)
  await authority.issueServer(['localhost', '127.0.0.1'])
  for (const name of ['alice', 'bob', 'dev-1.home']) await authority.issueClient(name)
  await authority.revocationList()
  assert.equal(await isWelcome(folder, 'alice'), true)
  assert.equal(await isWelcome(folder, 'dev-1.home'), true)
  const kept = await Promise.all(
    ['crt', 'key'].map((end) => readFile(path.join(folder, `clients/bob.${end}`))),
  )
  await authority.revoke('bob')
  await writeFile(path.join(folder, 'clients/bob.crt'), kept[0]!)
  await writeFile(path.join(folder, 'clients/bob.key'), kept[1]!)
  assert.equal(await isWelcome(folder, 'bob'), false)
  assert.equal(await isWelcome(folder, 'alice'), true)
  await authority.revoke('alice')
  assert.equal(await isWelcome(folder, 'bob'), false)
  await authority.issueClient('alice')
  assert.equal(await isWelcome(folder, 'alice'), true)
})

test('a client’s name is one that every file system takes, and is given once', async (t) => {
  const authority = await Authority.open(await temporaryFolder(t))
  for (const name of ['', '.', '..', '../x', 'a/b', 'a\\b', 'a:b', 'a.', '-a', ' a', 'a\n', 'ä'])
    await assert.rejects(authority.issueClient(name), { code: 'KHLONG_USAGE' }, name)
  await authority.issueClient('a')
  await assert.rejects(authority.issueClient('a'), { code: 'KHLONG_CERTIFICATE' })
  await assert.rejects(authority.revoke('b'), { code: 'KHLONG_CERTIFICATE' })
  await assert.rejects(authority.issueServer(['a b']), { code: 'KHLONG_USAGE' })
  await assert.rejects(authority.issueClient('c', 0), { code: 'KHLONG_USAGE' })
})

test('this machine has its names and addresses', () => {
  const hosts = ownHosts()
  for (const host of ['localhost', '127.0.0.1', '::1']) assert.ok(hosts.includes(host))
  assert.equal(new Set(hosts).size, hosts.length)
})

test('values of DER are written as the standard writes them, and taken apart again', () => {
  const long = Buffer.alloc(300, 7)
  const [first, second] = itemsOf(sequence(tagged(4, long), tagged(4)))
  assert.equal(first?.subarray(0, 4).toString('hex'), '0482012c')
  assert.equal(second?.toString('hex'), '0400')
  assert.equal(time(new Date('2049-12-31T23:59:59Z')).subarray(2).toString(), '491231235959Z')
  assert.equal(time(new Date('2050-01-01T00:00:00Z')).subarray(2).toString(), '20500101000000Z')
  for (const [address, bytes] of [
    ['192.0.2.255', 'c00002ff'],
    ['::1', '00000000000000000000000000000001'],
    ['2001:db8::1:0', '20010db8000000000000000000010000'],
    ['::ffff:192.0.2.1', '00000000000000000000ffffc0000201'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
  ])
    assert.equal(addressBytes(address!)?.toString('hex'), bytes)
  assert.equal(addressBytes('localhost'), undefined)
})
