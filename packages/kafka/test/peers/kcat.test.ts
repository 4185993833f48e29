import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { test } from 'node:test'
import { peer } from '../../../../tools/peers.ts'
import { startBroker } from '../helpers.ts'
import { openAs, secureListeners, setScramPassword, tlsFile } from '../security/secure-broker.ts'

const values = Array.from({ length: 1_000 }, (_, index) => `value ${index}`)

/** Runs kcat with `input` and gives what it printed. */
async function kcat(args: readonly string[], input = ''): Promise<string> {
  const child: ChildProcess = spawn(peer('kcat'), args, { stdio: ['pipe', 'pipe', 'pipe'] })
  let output = ''
  let errors = ''
  child.stdout?.on('data', (bytes: Buffer) => {
    output += bytes.toString()
  })
  child.stderr?.on('data', (bytes: Buffer) => {
    errors += bytes.toString()
  })
  child.stdin?.end(input)
  const code = await new Promise((resolve) => child.once('close', resolve))
  assert.equal(code, 0, errors)
  return output
}

for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'])
  for (const acks of ['0', '1', 'all'])
    test(`kcat writes ${compression} records with acks=${acks} and reads them back`, async (t) => {
      const { address } = await startBroker(t, { 'num.partitions': 3 })
      const common = ['-b', address, '-t', 'frames', '-X', 'socket.timeout.ms=10000']
      const write = [...common, '-P', '-z', compression, '-X', `acks=${acks}`]
      await kcat(write, values.join('\n'))
      const read = await kcat([...common, '-C', '-c', '1000', '-o', 'beginning', '-q'])
      assert.deepEqual(read.trim().split('\n').sort(), values.toSorted())
    })

test('kcat is an idempotent producer, a group member and a lister', async (t) => {
  const { address } = await startBroker(t)
  const idempotent = ['-X', 'enable.idempotence=true']
  await kcat(['-b', address, '-P', '-t', 'frames', ...idempotent], values.join('\n'))
  const reset = ['-X', 'auto.offset.reset=earliest']
  const read = await kcat(['-b', address, '-G', 'readers', ...reset, '-e', '-q', 'frames'])
  assert.equal(read.trim().split('\n').length, values.length)
  const listed = await kcat(['-b', address, '-L', '-J'])
  const { brokers, topics } = JSON.parse(listed)
  assert.deepEqual([brokers.length, topics.length], [1, 2])
  const found = await kcat(['-b', address, '-Q', '-t', 'frames:0:-1'])
  assert.match(found, /offset 1000/)
})

for (const mechanism of ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const)
  test(`kcat logs in by ${mechanism} over TLS, and not with another password`, async (t) => {
    const { broker } = await startBroker(t, secureListeners)
    const { SASL_SSL, SASL_PLAINTEXT } = broker.addresses
    if (mechanism !== 'PLAIN') {
      const admin = await openAs(SASL_PLAINTEXT!, 'admin')
      await setScramPassword(admin, 'alice', 'alice-secret', mechanism)
      admin.close()
    }
    const common = (password: string): string[] =>
      [
        'security.protocol=sasl_ssl',
        `ssl.ca.location=${tlsFile('ca.crt')}`,
        `sasl.mechanisms=${mechanism}`,
        'sasl.username=alice',
        `sasl.password=${password}`,
      ].flatMap((property) => ['-X', property])
    const at = ['-b', SASL_SSL!, '-t', 'frames']
    await kcat([...at, '-P', ...common('alice-secret')], values.join('\n'))
    const read = [...at, '-C', '-c', '1000', '-o', 'beginning', '-q']
    const found = await kcat([...read, ...common('alice-secret')])
    assert.equal(found.trim().split('\n').length, values.length)
    await assert.rejects(
      kcat([...at, '-P', ...common('wrong')], values.join('\n')),
      /Authentication fail/,
    )
  })

test('kcat shows its certificate', async (t) => {
  const { broker } = await startBroker(t, { ...secureListeners, 'ssl.client.auth': 'required' })
  const secure = [
    'security.protocol=ssl',
    `ssl.ca.location=${tlsFile('ca.crt')}`,
    `ssl.certificate.location=${tlsFile('alice.crt')}`,
    `ssl.key.location=${tlsFile('alice.key')}`,
  ].flatMap((property) => ['-X', property])
  const listed = await kcat(['-b', broker.addresses.SSL!, '-L', '-J', ...secure])
  assert.equal(JSON.parse(listed).brokers.length, 1)
})
