import type http from 'node:http'
import { isEqualSecret } from '@khlong/core'
import type { AddressBook } from '../config/address-book.ts'
import type { KafkaAccess } from '../config/kafka-access.ts'

/** How the embedded parts of a pipeline are reached by its own clients; what is missing is not embedded. */
export interface EmbeddedAccess {
  readonly kafka?: KafkaAccess
  readonly mongodb?: string
  readonly prometheus?: { readonly url: string; readonly token: string }
}

export function embeddedAccess({ parts, kafka, environment, token }: AddressBook): EmbeddedAccess {
  const { KHLONG_MONGODB_URI: mongodb, KHLONG_PROMETHEUS_URL: prometheus } = environment
  return {
    ...(parts.kafka.kind === 'embedded' && kafka ? { kafka } : {}),
    ...(parts.mongodb.kind === 'embedded' && mongodb !== undefined ? { mongodb } : {}),
    ...(parts.prometheus.kind === 'embedded' && prometheus !== undefined
      ? { prometheus: { url: prometheus, token } }
      : {}),
  }
}

export interface MirrorRouteOptions {
  readonly access: EmbeddedAccess
  /** The control token: only who may read the data folder has it. */
  readonly token: string
}

/** `POST /-/mirror`: says how whoever copies the pipeline's data reaches them, logins of this run included. */
export class MirrorRoute {
  readonly #options: MirrorRouteOptions

  constructor(options: MirrorRouteOptions) {
    this.#options = options
  }

  /** Answers such a request; false where it is about something else. */
  answer(request: http.IncomingMessage, response: http.ServerResponse, pathname: string): boolean {
    if (pathname !== '/-/mirror' || request.method !== 'POST') return false
    const [, token = ''] = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '') ?? []
    const isKnown = isEqualSecret(token, this.#options.token)
    response.writeHead(isKnown ? 200 : 401, {
      'content-type': 'application/json',
      'cache-control': 'no-store',
    })
    response.end(
      JSON.stringify(
        isKnown ? this.#options.access : { message: 'expected the token of control.json' },
      ),
    )
    return true
  }
}
