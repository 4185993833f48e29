import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { peer } from '../../../../tools/peers.ts'
import { portOf, startBroker } from '../helpers.ts'

const program = fileURLToPath(new URL('./paho_client.py', import.meta.url))

const certificates = fileURLToPath(new URL('../vectors/tls', import.meta.url))
const secure = {
  certfile: `${certificates}/server.crt`,
  keyfile: `${certificates}/server.key`,
  cafile: `${certificates}/ca.crt`,
  require_certificate: true,
  use_identity_as_username: true,
}

for (const [transport, listener] of [
  ['tcp', 'mqtt'],
  ['websockets', 'websocket'],
  ['tcp', 'mqtts'],
  ['websockets', 'websockets'],
] as const)
  for (const version of [4, 5])
    test(`paho for Python over ${transport} (${listener}), version ${version}`, async (t) => {
      const isSecure = listener === 'mqtts' || listener === 'websockets'
      const broker = await startBroker(t, isSecure ? secure : {})
      const args = [program, transport, String(portOf(broker, listener)), String(version)]
      if (isSecure) args.push(certificates)
      const { stdout } = await promisify(execFile)(peer('python'), args, { timeout: 20_000 })
      const user = [
        ['b', '1'],
        ['a', '2'],
        ['b', '3'],
      ]
      const properties = version === 5 ? [user] : []
      assert.deepEqual(JSON.parse(stdout), [
        ['paho/r', 1, 'kept', true],
        ['paho/t', 0, 'with 0', false, ...properties],
        ['paho/t', 1, 'with 1', false, ...properties],
        ['paho/t', 2, 'with 2', false, ...properties],
      ])
    })
