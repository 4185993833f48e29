export { PrometheusError, type PrometheusErrorCode } from './errors.ts'
export { type PrometheusOptions, resolvePrometheusOptions } from './options.ts'
export { PrometheusServer } from './server/prometheus-server.ts'
