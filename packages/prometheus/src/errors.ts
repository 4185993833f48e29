import { CodedError, type CodedErrorOptions } from '@khlong/core'

export type PrometheusErrorCode =
  | 'PROMETHEUS_CONFIG_INVALID'
  | 'PROMETHEUS_EXPOSITION_MALFORMED'
  | 'PROMETHEUS_QUERY_PARSE'
  | 'PROMETHEUS_QUERY_EXECUTION'
  | 'PROMETHEUS_QUERY_TIMEOUT'
  | 'PROMETHEUS_BAD_REQUEST'
  | 'PROMETHEUS_STORAGE_DAMAGED'
  | 'PROMETHEUS_STORAGE_NEWER'
  | 'PROMETHEUS_TEMPLATE_INVALID'
  | 'PROMETHEUS_TEMPLATE_FAILED'
  | 'ALERTMANAGER_BAD_REQUEST'
  | 'ALERTMANAGER_NOT_FOUND'
  | 'ALERTMANAGER_FULL'
  | 'ALERTMANAGER_NOTIFY_FAILED'

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
  PROMETHEUS_STORAGE_NEWER: { status: 500, type: 'internal' },
  PROMETHEUS_TEMPLATE_INVALID: { status: 400, type: 'bad_data' },
  PROMETHEUS_TEMPLATE_FAILED: { status: 422, type: 'execution' },
  ALERTMANAGER_BAD_REQUEST: { status: 400, type: 'bad_data' },
  ALERTMANAGER_NOT_FOUND: { status: 404, type: 'not_found' },
  ALERTMANAGER_FULL: { status: 503, type: 'unavailable' },
  ALERTMANAGER_NOTIFY_FAILED: { status: 502, type: 'unavailable' },
}
