import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { type RealKafka, startRealKafka } from './real-kafka.ts'

/** A real Kafka with listeners for SASL_PLAINTEXT, SASL_SSL and SSL beside the open one. */
export interface SecuredKafka {
  readonly kafka: RealKafka
  /** The broker's own, which clients trust by it. */
  readonly certificate: string
  /** Of the users `plain` and `scram`, whose names say the mechanism. */
  readonly passwords: { readonly plain: string; readonly scram: string }
  address(protocol: 'SASL_PLAINTEXT' | 'SASL_SSL' | 'SSL'): string
}

const passwords = { plain: 'canal-1', scram: 'canal-2' }

// The certificates of the broker's tests: see their README.
const vector = (name: string): string =>
  fileURLToPath(new URL(`../../../kafka/test/vectors/tls/${name}`, import.meta.url))

/**
 * Starts it with further settings of the broker; where `reauthMs` is given, PLAIN over SASL_PLAINTEXT is
 * asked for again after that time.
 */
export async function startSecuredKafka(
  mode: 'kraft' | 'zookeeper',
  {
    reauthMs,
    settings = {},
  }: { readonly reauthMs?: number; readonly settings?: Readonly<Record<string, string>> } = {},
): Promise<SecuredKafka> {
  const pem = execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'],
      ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', '-', '-out', '-'],
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  )
  const key = /-----BEGIN PRIVATE KEY-----[\s\S]*-----END PRIVATE KEY-----/.exec(pem)![0]
  const certificate = /-----BEGIN CERTIFICATE-----[\s\S]*-----END CERTIFICATE-----/.exec(pem)![0]
  const oneLine = (text: string): string => text.replaceAll('\n', ' \\n')
  const login = 'org.apache.kafka.common.security'
  const kafka = await startRealKafka(mode, (port) => {
    const open = `PLAINTEXT://127.0.0.1:${port},SASL_PLAINTEXT://127.0.0.1:${port + 2},SASL_SSL://127.0.0.1:${port + 3},SSL://127.0.0.1:${port + 4}`
    const controller = mode === 'kraft' ? `,CONTROLLER://127.0.0.1:${port + 1}` : ''
    return {
      listeners: `${open}${controller}`,
      'advertised.listeners': open,
      'listener.security.protocol.map':
        'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL',
      'listener.name.ssl.ssl.client.auth': 'required',
      'listener.name.ssl.ssl.truststore.type': 'PEM',
      'listener.name.ssl.ssl.truststore.location': vector('ca.crt'),
      ...(reauthMs === undefined
        ? {}
        : { 'listener.name.sasl_plaintext.plain.connections.max.reauth.ms': String(reauthMs) }),
      'inter.broker.listener.name': 'PLAINTEXT',
      'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
      ...Object.fromEntries(
        ['sasl_plaintext', 'sasl_ssl'].flatMap((listener) => [
          [
            `listener.name.${listener}.plain.sasl.jaas.config`,
            `${login}.plain.PlainLoginModule required user_plain="${passwords.plain}";`,
          ],
          ...['scram-sha-256', 'scram-sha-512'].map((mechanism) => [
            `listener.name.${listener}.${mechanism}.sasl.jaas.config`,
            `${login}.scram.ScramLoginModule required;`,
          ]),
        ]),
      ),
      ...settings,
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.key': oneLine(key),
      'ssl.keystore.certificate.chain': oneLine(certificate),
    }
  })
  for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-512'])
    await kafka.tool('kafka.admin.ConfigCommand', [
      ...['--bootstrap-server', kafka.bootstrapServers, '--alter'],
      ...['--entity-type', 'users', '--entity-name', 'scram'],
      ...['--add-config', `${mechanism}=[password=${passwords.scram}]`],
    ])
  const port = Number(kafka.bootstrapServers.split(':')[1])
  const offsets = { SASL_PLAINTEXT: 2, SASL_SSL: 3, SSL: 4 }
  return {
    kafka,
    certificate,
    passwords,
    address: (protocol) => `127.0.0.1:${port + offsets[protocol]}`,
  }
}
