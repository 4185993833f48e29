/** An answer that is not what was asked for, with the engine's own words. */
export class ApiError extends Error {
  readonly status: number
  readonly code: string

  constructor(message: string, status: number, code: string) {
    super(message)
    this.status = status
    this.code = code
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
  throw new ApiError(message, response.status, String(fault.code ?? fault.error_code ?? ''))
}
