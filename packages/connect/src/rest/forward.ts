import { describeError } from '@khlong/core'
import { ConnectError } from '../errors.ts'

export interface ForwardedRequest {
  readonly method: string
  /** Path and query as they came. */
  readonly url: string
  readonly body: unknown
  /** Who asks: the other worker decides whether that is enough. */
  readonly authorization?: string | undefined
}

/** What another worker answered. */
export interface ForwardedAnswer {
  readonly status: number
  readonly text: string
}

/**
 * Asks another worker in the place of the client, as Java's workers do: at most twice, so that two
 * that do not agree on who leads never send a request round and round.
 *
 * @throws ConnectError `CONNECT_REBALANCING`, `CONNECT_FAILED`
 */
export async function forward(
  target: string,
  { method, url, body, authorization }: ForwardedRequest,
): Promise<ForwardedAnswer> {
  const address = new URL(url, target)
  const before = address.searchParams.get('forward')
  if (before === 'false')
    throw new ConnectError(
      'CONNECT_REBALANCING',
      'Cannot complete request because of a conflicting operation (e.g. worker rebalance)',
    )
  address.searchParams.set('forward', before === null ? 'true' : 'false')
  const headers = new Headers({ 'content-type': 'application/json' })
  if (authorization !== undefined) headers.set('authorization', authorization)
  try {
    const response = await fetch(address, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: response.status, text: await response.text() }
  } catch (error) {
    throw new ConnectError(
      'CONNECT_FAILED',
      `IO Error trying to forward REST request: ${describeError(error)}`,
      { cause: error },
    )
  }
}
