import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { isLoopback, type ListenAddress, TcpServer } from '@khlong/core'
import type { ListenerPlan } from '../security/listeners.ts'
import { anonymousPrincipal } from '../security/principal.ts'
import { SaslSession } from '../security/sasl-session.ts'
import type { ScramCredentials } from '../security/scram-credentials.ts'
import { certificatePrincipals, tlsOptionsOf } from '../security/tls-listener.ts'

export interface BrokerListenerOptions {
  readonly plan: ListenerPlan
  readonly credentials: ScramCredentials
  /** What the salts of users that are not there are made of. */
  readonly decoySecret: Uint8Array
  /** TLS was not agreed on. */
  onTlsFailure(error: Error, host: string | undefined): void
}

/** One door of the broker: who comes in by it, and how they say who they are. */
export class BrokerListener {
  readonly plan: ListenerPlan
  /** Where its clients are told to go. */
  advertised: ListenAddress
  /** Logins since the start. */
  readonly logins = { succeeded: 0, failed: 0 }
  readonly #options: BrokerListenerOptions
  readonly #certificatePrincipal: ((socket: TLSSocket) => string) | undefined
  #server: TcpServer | undefined

  constructor(options: BrokerListenerOptions) {
    const { plan } = options
    this.plan = plan
    this.advertised = plan.advertised ?? plan.address
    this.#options = options
    this.#certificatePrincipal = plan.protocol === 'SSL' ? certificatePrincipals(plan) : undefined
  }

  get connectionCount(): number {
    return this.#server?.connectionCount ?? 0
  }

  /** Opens it. Gives the address in use. @throws CodedError `LISTEN_TAKEN`, `KAFKA_CERTIFICATE_INVALID` */
  async open(onSocket: (socket: Socket) => void): Promise<ListenAddress> {
    const { plan, onTlsFailure } = this.#options
    const isSecure = plan.protocol.endsWith('SSL')
    // TLS costs megabytes, and is loaded where it is spoken.
    const tls = isSecure ? await import('node:tls') : undefined
    const secure = isSecure ? tlsOptionsOf(plan) : {}
    this.#server = new TcpServer(
      onSocket,
      tls && {
        createServer: (options, onClient) =>
          tls
            .createServer({ ...secure, ...options }, onClient)
            .on('tlsClientError', (error, socket) => onTlsFailure(error, socket.remoteAddress)),
      },
    )
    const address = await this.#server.listen(plan.address)
    const advertised = plan.advertised ?? reachable(address)
    this.advertised = advertised.port === 0 ? { ...advertised, port: address.port } : advertised
    return reachable(address)
  }

  close(deadlineMs: number): Promise<void> {
    return this.#server?.close(deadlineMs) ?? Promise.resolve()
  }

  /** The login that a new connection has to go through; undefined where there is none. */
  newSession(): SaslSession | undefined {
    const { plan, credentials, decoySecret } = this.#options
    if (!plan.protocol.startsWith('SASL')) return undefined
    return new SaslSession({
      mechanisms: plan.mechanisms,
      credential: (mechanism, username) => credentials.find(mechanism, username),
      nonce: () => randomBytes(24).toString('base64url'),
      decoySecret,
    })
  }

  /** Who a client is before any login. @throws KafkaError `KAFKA_CLIENT_REFUSED` */
  principalOf(socket: Socket): string {
    return this.#certificatePrincipal?.(socket as TLSSocket) ?? anonymousPrincipal
  }
}

/** Why a listener may not be open to other machines; undefined where it may. */
export function whyUnsafe({ protocol, address, security }: ListenerPlan): string | undefined {
  if (isLoopback(address.host) || protocol.startsWith('SASL')) return undefined
  if (protocol === 'SSL' && security['ssl.client.auth'] === 'required') return undefined
  return protocol === 'SSL' ? 'without ssl.client.auth=required' : 'without authentication'
}

/** An address that a client on this machine can use: nobody connects to "any". */
function reachable({ host, port }: ListenAddress): ListenAddress {
  return { host: host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host, port }
}
