import { sessionStore } from './session.ts'

/** An answer that is not what was asked for, with the engine's own words. */
export class ApiError extends Error {
  readonly status: number
  readonly code: string
  /** How long to wait before the same is asked again; 0 where the server does not say. */
  readonly retryAfterMs: number

  constructor(message: string, status: number, code: string, retryAfterMs = 0) {
    super(message)
    this.status = status
    this.code = code
    this.retryAfterMs = retryAfterMs
  }

  /** The part has no address: nothing is broken. */
  get isNotConfigured(): boolean {
    return this.code === 'GRAFANA_NOT_CONFIGURED'
  }
}

/** Asks the server for JSON. */
export async function ask<Answer>(
  path: string,
  options: { method?: string; body?: unknown; signal?: AbortSignal } = {},
): Promise<Answer> {
  let response: Response
  try {
    response = await fetch(path, {
      method: options.method ?? 'GET',
      ...(options.body === undefined
        ? {}
        : { body: JSON.stringify(options.body), headers: { 'content-type': 'application/json' } }),
      ...(options.signal ? { signal: options.signal } : {}),
    })
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new ApiError('', 0, 'OFFLINE')
  }
  const text = await response.text()
  let answer: unknown
  try {
    answer = text === '' ? null : JSON.parse(text)
  } catch {
    answer = { message: text.slice(0, 300) }
  }
  if (response.ok) return answer as Answer
  const fault = (answer ?? {}) as Record<string, unknown>
  const message = [fault.message, fault.error].filter((part) => typeof part === 'string').join(': ')
  // A query answers 400 with a result per query: the caller reads those.
  if (response.status === 400 && fault.results) return answer as Answer
  // The session is over: the login takes the page's place, and the address stays.
  if (response.status === 401 && path !== '/login') sessionStore.set({ kind: 'login' })
  throw new ApiError(
    message,
    response.status,
    String(fault.code ?? fault.error_code ?? ''),
    Number(response.headers.get('retry-after') ?? 0) * 1_000,
  )
}
