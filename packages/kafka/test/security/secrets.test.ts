import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Logger } from '@khlong/core'
import { ApiKey } from '@khlong/kafka-protocol'
import {
  decodeDescribeConfigsResponse,
  encodeDescribeConfigsRequest,
} from '@khlong/kafka-protocol/messages/describe-configs'
import { startBroker } from '../helpers.ts'
import { Wire } from '../wire.ts'
import { authenticate, handshake, openAs, secureListeners, tlsText } from './secure-broker.ts'

test('nobody is told a secret of the settings, nor the login of the platform', async (t) => {
  const { broker } = await startBroker(t, {
    ...secureListeners,
    'internal.listen': '127.0.0.1:0',
    internal: { username: 'own', password: 'internal-secret' },
  })
  assert.ok(!('INTERNAL' in broker.addresses))
  const wire = await openAs(broker.addresses.SASL_PLAINTEXT!, 'admin')
  const reader = await wire.send(ApiKey.describeConfigs, 4, (writer) =>
    encodeDescribeConfigsRequest(
      writer,
      {
        resources: [{ resourceType: 4, resourceName: '1', configurationKeys: null }],
        includeSynonyms: true,
      },
      4,
    ),
  )
  const { results } = decodeDescribeConfigsResponse(reader, 4)
  const configs = results[0]!.configs
  const text = JSON.stringify(configs)
  for (const secret of ['alice-secret', 'internal-secret', 'PRIVATE KEY']) {
    assert.ok(!text.includes(secret), secret)
  }
  for (const name of [
    'ssl.keystore.key',
    'listener.name.sasl_ssl.plain.sasl.jaas.config',
    'ssl.truststore.certificates',
  ]) {
    const config = configs.find((one) => one.name === name)
    assert.deepEqual([config?.value, config?.isSensitive], [null, true], name)
  }
  assert.equal(configs.find(({ name }) => name === 'ssl.client.auth')?.value, 'requested')
  wire.close()
})

test('the log has no password, whether a login works or not', async (t) => {
  const lines: string[] = []
  const note = (fields: object, message: string): void => {
    lines.push(`${JSON.stringify(fields)} ${message}`)
  }
  const logger: Logger = { error: note, warn: note, info: note, debug: note, trace: note }
  const { broker } = await startBroker(t, secureListeners, { logger })
  const right = await openAs(broker.addresses.SASL_PLAINTEXT!, 'alice')
  right.close()
  const wrong = await Wire.open(broker.addresses.SASL_PLAINTEXT!)
  await handshake(wrong, 'PLAIN')
  await authenticate(wrong, '\0alice\0alice-guess')
  await wrong.closed
  const text = lines.join('\n')
  assert.match(text, /a login failed/)
  for (const secret of ['alice-secret', 'alice-guess', tlsText('server.key').slice(40, 80)])
    assert.ok(!text.includes(secret))
})
