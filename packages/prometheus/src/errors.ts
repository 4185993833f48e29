import { CodedError, type CodedErrorOptions } from '@khlong/core'

export type PrometheusErrorCode =
  | 'PROMETHEUS_CONFIG_INVALID'
  | 'PROMETHEUS_EXPOSITION_MALFORMED'
  | 'PROMETHEUS_QUERY_PARSE'
  | 'PROMETHEUS_QUERY_EXECUTION'
  | 'PROMETHEUS_QUERY_TIMEOUT'
  | 'PROMETHEUS_BAD_REQUEST'
  | 'PROMETHEUS_STORAGE_DAMAGED'

/** What the Prometheus part refuses. */
export class PrometheusError extends CodedError {
  declare readonly code: PrometheusErrorCode
  constructor(code: PrometheusErrorCode, message: string, options: CodedErrorOptions = {}) {
    super(code, message, options)
  }
}

/** The HTTP API's `errorType` and status of each code. */
export const httpErrors: Readonly<Record<PrometheusErrorCode, { status: number; type: string }>> = {
  PROMETHEUS_CONFIG_INVALID: { status: 500, type: 'internal' },
  PROMETHEUS_EXPOSITION_MALFORMED: { status: 400, type: 'bad_data' },
  PROMETHEUS_QUERY_PARSE: { status: 400, type: 'bad_data' },
  PROMETHEUS_QUERY_EXECUTION: { status: 422, type: 'execution' },
  PROMETHEUS_QUERY_TIMEOUT: { status: 503, type: 'timeout' },
  PROMETHEUS_BAD_REQUEST: { status: 400, type: 'bad_data' },
  PROMETHEUS_STORAGE_DAMAGED: { status: 500, type: 'internal' },
}
