import { readFileSync } from 'node:fs'
import type { TLSSocket, TlsOptions } from 'node:tls'
import { CodedError } from '@khlong/core'
import { secureContextOf } from '@khlong/kafka-protocol/security'
import { KafkaError } from '../errors.ts'
import { subjectOf } from './distinguished-name.ts'
import type { ListenerPlan } from './listeners.ts'
import { anonymousPrincipal } from './principal.ts'
import { parsePrincipalRules } from './principal-rules.ts'

/** Who does not finish the TLS handshake by then is cut. */
const handshakeMs = 10_000

/**
 * What Node's TLS server takes for a listener of SSL or SASL_SSL; reads its files.
 *
 * @throws KafkaError `KAFKA_CERTIFICATE_INVALID`
 */
export function tlsOptionsOf(plan: ListenerPlan): TlsOptions {
  const { security } = plan
  const clientAuth = security['ssl.client.auth']
  try {
    const context = secureContextOf(security, readFileSync)
    if (context.key === undefined && context.pfx === undefined)
      throw new Error('needs ssl.keystore.location, or ssl.keystore.key and its certificate')
    return {
      ...context,
      handshakeTimeout: handshakeMs,
      requestCert: clientAuth !== 'none',
      // One that is asked for and not needed is judged by `certificatePrincipal`.
      rejectUnauthorized: clientAuth === 'required',
    }
  } catch (error) {
    const what = error instanceof CodedError || error instanceof Error ? error.message : ''
    throw new KafkaError('KAFKA_CERTIFICATE_INVALID', `listener ${plan.name}: ${what}`, {
      cause: error,
      fields: { listener: plan.name },
    })
  }
}

/**
 * Who a client is by its certificate.
 *
 * @throws KafkaError `KAFKA_CLIENT_REFUSED` where the certificate is not trusted or no rule names its owner
 */
export function certificatePrincipals(plan: ListenerPlan): (socket: TLSSocket) => string {
  const nameOf = parsePrincipalRules(plan.security['ssl.principal.mapping.rules'])
  return (socket) => {
    const certificate = socket.getPeerX509Certificate()
    if (!certificate) return anonymousPrincipal
    if (!socket.authorized)
      throw refused(`its certificate is not trusted: ${socket.authorizationError?.message ?? ''}`)
    const subject = subjectOf(certificate.raw)
    const name = nameOf(subject)
    if (name === undefined) throw refused(`no rule of ssl.principal.mapping.rules fits ${subject}`)
    return `User:${name}`
  }
}

const refused = (why: string): KafkaError =>
  new KafkaError('KAFKA_CLIENT_REFUSED', `a client is refused: ${why}`)
