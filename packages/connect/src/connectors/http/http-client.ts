import { ConnectError } from '../../errors.ts'

export interface HttpRequest {
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array<ArrayBuffer> | undefined
  readonly timeoutMs: number
}

export interface HttpAnswer {
  readonly status: number
  readonly text: string
}

/** A target that does not answer, or asks for another attempt, is not at fault for good. */
export const isPassing = (status: number): boolean =>
  status === 408 || status === 425 || status === 429 || status >= 500

/** How much of an answer is read where only its beginning is shown. */
const shownCharactersMax = 300

/**
 * Sends a request; redirects are not followed, so that no credential goes elsewhere.
 *
 * @throws ConnectError `CONNECT_RETRIABLE` where there is no answer, or one that may pass; an answer
 *   of more than `bytesMax` is `CONNECT_DATA`.
 */
export async function send(request: HttpRequest, bytesMax: number): Promise<HttpAnswer> {
  const { url, method, headers, body, timeoutMs } = request
  const where = withoutSecrets(url)
  let response: Response
  let text: string
  try {
    response = await fetch(url, {
      method,
      headers,
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
      ...(body === undefined ? {} : { body }),
    })
    text = await readText(response, bytesMax, where)
  } catch (error) {
    if (error instanceof ConnectError) throw error
    const { cause, message } = error as Error
    const reason = cause instanceof Error && cause.message !== '' ? cause.message : message
    throw new ConnectError('CONNECT_RETRIABLE', `${where} does not answer: ${reason}`, {
      cause: error,
    })
  }
  if (isPassing(response.status))
    throw new ConnectError('CONNECT_RETRIABLE', answered(where, response.status, text))
  return { status: response.status, text }
}

/** What an answer said, for whoever reads the error. */
export function answered(where: string, status: number, text: string): string {
  const shown = text.trim().slice(0, shownCharactersMax)
  return `${where} answered with status ${status}${shown === '' ? '' : `: ${shown}`}`
}

/** Host and path alone: queries and logins may be secrets. */
export function withoutSecrets(url: string): string {
  const parsed = URL.parse(url)
  return parsed ? `${parsed.origin}${parsed.pathname}` : 'the URL'
}

/** `name:value` items as headers. */
export function headersOf(items: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const item of items) {
    const colon = item.indexOf(':')
    if (colon > 0) headers[item.slice(0, colon).trim().toLowerCase()] = item.slice(colon + 1).trim()
  }
  return headers
}

export const isHttpUrl = (text: string): boolean => {
  const url = URL.parse(text)
  return url !== null && (url.protocol === 'http:' || url.protocol === 'https:')
}

export const basicAuth = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

async function readText(response: Response, bytesMax: number, where: string): Promise<string> {
  const parts: Uint8Array[] = []
  let byteCount = 0
  for await (const part of response.body ?? []) {
    byteCount += part.byteLength
    if (byteCount > bytesMax)
      throw new ConnectError('CONNECT_DATA', `${where} answered with more than ${bytesMax} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString()
}
