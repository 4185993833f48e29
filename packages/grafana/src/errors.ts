import { CodedError, type CodedErrorOptions } from '@khlong/core'

/** What a request can end with; the HTTP status follows from it and nothing else. */
const statusByCode = {
  GRAFANA_BAD_REQUEST: 400,
  GRAFANA_FORBIDDEN: 403,
  GRAFANA_NOT_FOUND: 404,
  GRAFANA_CONFLICT: 409,
  GRAFANA_PRECONDITION_FAILED: 412,
  GRAFANA_STATE_NEWER: 500,
  GRAFANA_NOT_CONFIGURED: 503,
  GRAFANA_UPSTREAM_FAILED: 502,
} as const

export type GrafanaErrorCode = keyof typeof statusByCode

/**
 * An error that is answered in Grafana's envelope: `{message, status?}`. `wireStatus` is the word
 * that Grafana's clients test, such as `version-mismatch`.
 */
export class GrafanaError extends CodedError {
  readonly statusCode: number
  readonly wireStatus: string | undefined

  constructor(
    code: GrafanaErrorCode,
    message: string,
    options: CodedErrorOptions & { wireStatus?: string } = {},
  ) {
    super(code, message, options)
    this.statusCode = statusByCode[code]
    this.wireStatus = options.wireStatus
  }
}

/** The system that a request needs has no address in the options. */
export function notConfigured(part: string): GrafanaError {
  return new GrafanaError(
    'GRAFANA_NOT_CONFIGURED',
    `${part} is not configured: give its address to the console (grafana.${part})`,
    { fields: { part } },
  )
}

/** A system that the console asked did not answer as it should. */
export function upstreamFailed(part: string, message: string, cause?: unknown): GrafanaError {
  return new GrafanaError('GRAFANA_UPSTREAM_FAILED', message, {
    retriable: true,
    fields: { part },
    ...(cause === undefined ? {} : { cause }),
  })
}
