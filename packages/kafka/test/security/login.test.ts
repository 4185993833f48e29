import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeApiVersionsResponse,
  encodeApiVersionsRequest,
} from '@khlong/kafka-protocol/messages/api-versions'
import { ScramClient } from '@khlong/kafka-protocol/security'
import { startBroker } from '../helpers.ts'
import { Wire } from '../wire.ts'
import {
  authenticate,
  handshake,
  metadata,
  openAs,
  secureListeners,
  setScramPassword,
} from './secure-broker.ts'

const illegal = ErrorCode.illegalSaslState

async function startSecure(
  t: Parameters<typeof startBroker>[0],
  options: Parameters<typeof startBroker>[1] = {},
): Promise<{ sasl: string; plaintext: string; broker: Awaited<ReturnType<typeof startBroker>> }> {
  const broker = await startBroker(t, { ...secureListeners, ...options })
  const { SASL_PLAINTEXT: sasl, PLAINTEXT: plaintext } = broker.broker.addresses
  return { sasl: sasl!, plaintext: plaintext!, broker }
}

test('PLAIN: the right password lets in, and each listener sends its clients to itself', async (t) => {
  const { sasl, plaintext, broker } = await startSecure(t)
  const wire = await Wire.open(sasl)
  const versions = await wire.send(ApiKey.apiVersions, 3, (writer) =>
    encodeApiVersionsRequest(writer, { clientSoftwareName: 'test', clientSoftwareVersion: '1' }, 3),
  )
  const { apiKeys } = decodeApiVersionsResponse(versions, 3)
  for (const apiKey of [ApiKey.saslHandshake, ApiKey.saslAuthenticate])
    assert.ok(apiKeys.some((api) => api.apiKey === apiKey))
  const shaken = await handshake(wire, 'PLAIN')
  assert.deepEqual(shaken.mechanisms, ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'])
  const answer = await authenticate(wire, '\0alice\0alice-secret')
  assert.deepEqual([answer.errorCode, answer.sessionLifetimeMs], [0, 0])
  const at = ({ brokers }: Awaited<ReturnType<typeof metadata>>): string =>
    `${brokers[0]?.host}:${brokers[0]?.port}`
  assert.equal(at(await metadata(wire)), sasl)
  // Whoever is logged in, or need not be, cannot log in.
  assert.equal((await handshake(wire, 'PLAIN')).errorCode, illegal)
  assert.equal((await authenticate(wire, '')).errorCode, illegal)
  const anybody = await Wire.open(plaintext)
  assert.equal((await handshake(anybody, 'PLAIN')).errorCode, illegal)
  assert.equal(at(await metadata(anybody)), plaintext)
  const text = broker.broker.metrics()
  assert.match(text, /successful_authentication_total\{listener="SASL_PLAINTEXT"\} 1/)
  wire.close()
  anybody.close()
})

for (const [what, token, message] of [
  [
    'a wrong password',
    '\0alice\0alice-secreT',
    'Authentication failed: Invalid username or password',
  ],
  [
    'no such user',
    '\0mallory\0alice-secret',
    'Authentication failed: Invalid username or password',
  ],
  [
    'another authorization id',
    'bob\0alice\0alice-secret',
    'Authentication failed: Client requested an authorization id that is different from username',
  ],
  [
    'what is no login',
    'alice',
    'Authentication failed during authentication due to invalid credentials with SASL mechanism PLAIN',
  ],
] as const)
  test(`PLAIN: ${what} is answered and the connection closed`, async (t) => {
    const { sasl, broker } = await startSecure(t)
    const wire = await Wire.open(sasl)
    await handshake(wire, 'PLAIN')
    const answer = await authenticate(wire, token)
    assert.equal(answer.errorCode, ErrorCode.saslAuthenticationFailed)
    assert.equal(answer.errorMessage, message)
    await wire.closed
    assert.match(
      broker.broker.metrics(),
      /failed_authentication_total\{listener="SASL_PLAINTEXT"\} 1/,
    )
  })

for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const)
  test(`${mechanism}: a password that was set lets in, over a restart too; another does not`, async (t) => {
    const first = await startSecure(t)
    const admin = await openAs(first.sasl, 'admin')
    await setScramPassword(admin, 'carol', 'carol-secret', mechanism)
    admin.close()
    const login = async (address: string, password: string): Promise<number> => {
      const wire = await Wire.open(address)
      const client = new ScramClient({ mechanism, username: 'carol', password, nonce: 'abc' })
      await handshake(wire, mechanism)
      const challenge = await authenticate(wire, client.firstMessage)
      assert.equal(challenge.errorCode, 0)
      const { errorCode, authBytes } = await authenticate(
        wire,
        client.finalMessage(challenge.authBytes),
      )
      assert.equal(client.accepts(authBytes), errorCode === 0)
      if (errorCode === 0) assert.equal((await metadata(wire)).brokers.length, 1)
      wire.close()
      return errorCode
    }
    assert.equal(await login(first.sasl, 'carol-secret'), 0)
    assert.equal(await login(first.sasl, 'wrong'), ErrorCode.saslAuthenticationFailed)
    await first.broker.broker.stop()
    const second = await startSecure(t, { data: first.broker.data })
    assert.equal(await login(second.sasl, 'carol-secret'), 0)
  })

test('a mechanism that is not offered is refused with those that are', async (t) => {
  const { sasl } = await startSecure(t)
  const wire = await Wire.open(sasl)
  const { errorCode, mechanisms } = await handshake(wire, 'GSSAPI')
  assert.equal(errorCode, ErrorCode.unsupportedSaslMechanism)
  assert.equal(mechanisms.length, 3)
  await wire.closed
})

test('before the login nothing is served but versions and the login itself', async (t) => {
  const { sasl } = await startSecure(t)
  const early = await Wire.open(sasl)
  void metadata(early)
  await early.closed
  const noHandshake = await Wire.open(sasl)
  void authenticate(noHandshake, '\0alice\0alice-secret')
  await noHandshake.closed
  const between = await Wire.open(sasl)
  await handshake(between, 'PLAIN')
  void metadata(between)
  await between.closed
  // Nor is a large request read before it is known who sends it.
  const large = await Wire.open(sasl)
  const head = Buffer.alloc(4)
  head.writeInt32BE(600_000)
  large.socket.write(head)
  await large.closed
})

test('bare tokens follow a handshake of version 0 (KIP-43)', async (t) => {
  const { sasl } = await startSecure(t)
  const good = await Wire.open(sasl)
  await handshake(good, 'PLAIN', 0)
  const token = (text: string): Buffer => {
    const frame = Buffer.alloc(4 + text.length)
    frame.writeInt32BE(text.length)
    frame.write(text, 4)
    return frame
  }
  good.socket.removeAllListeners('data')
  good.socket.write(token('\0alice\0alice-secret'))
  const [answer] = (await once(good.socket, 'data')) as [Buffer]
  assert.deepEqual(answer, Buffer.alloc(4))
  good.close()
  const bad = await Wire.open(sasl)
  await handshake(bad, 'PLAIN', 0)
  bad.socket.write(token('\0alice\0wrong'))
  await bad.closed
})

test('a login that was given a time is renewed as the same user by the same mechanism (KIP-368)', async (t) => {
  const { sasl } = await startSecure(t, { 'connections.max.reauth.ms': 3_600_000 })
  const wire = await Wire.open(sasl)
  await handshake(wire, 'PLAIN')
  const first = await authenticate(wire, '\0alice\0alice-secret')
  assert.equal(first.sessionLifetimeMs, 3_600_000)
  assert.equal((await handshake(wire, 'PLAIN')).errorCode, 0)
  assert.equal((await authenticate(wire, '\0alice\0alice-secret')).errorCode, 0)
  assert.equal((await metadata(wire)).brokers.length, 1)
  await handshake(wire, 'PLAIN')
  const other = await authenticate(wire, '\0bob\0bob-secret')
  assert.equal(other.errorCode, ErrorCode.saslAuthenticationFailed)
  assert.match(other.errorMessage ?? '', /Cannot change principals.*User\.alice: User\.bob/)
  await wire.closed
  const again = await openAs(sasl, 'alice')
  await handshake(again, 'SCRAM-SHA-256')
  const { errorMessage } = await authenticate(again, 'n,,n=alice,r=abc')
  assert.match(errorMessage ?? '', /'SCRAM-SHA-256'.*re-authentication of mechanism 'PLAIN'/)
  await again.closed
})

test('a login that ran out is not served any more', async (t) => {
  const { sasl } = await startSecure(t, {
    'listener.name.sasl_plaintext.plain.connections.max.reauth.ms': 1,
  })
  const wire = await openAs(sasl, 'alice')
  // Whichever request comes after the millisecond.
  let isClosed = false
  void wire.closed.then(() => {
    isClosed = true
  })
  while (!isClosed) await Promise.race([metadata(wire), wire.closed])
})

test('a login that failed is answered after the delay that the settings give', async (t) => {
  const { sasl } = await startSecure(t, { 'connection.failed.authentication.delay.ms': 3_600_000 })
  const guessing = await Wire.open(sasl)
  await handshake(guessing, 'PLAIN')
  let isAnswered = false
  void authenticate(guessing, '\0alice\0wrong').then(() => {
    isAnswered = true
  })
  const wire = await openAs(sasl, 'alice')
  for (let count = 0; count < 20; count++) await metadata(wire)
  assert.equal(isAnswered, false)
  guessing.close()
  wire.close()
})
