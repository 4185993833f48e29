export { PrometheusError, type PrometheusErrorCode } from './errors.ts'
export {
  type PrometheusOptions,
  type ResolvedPrometheusOptions,
  resolvePrometheusOptions,
} from './options.ts'
export { PrometheusServer } from './server/prometheus-server.ts'
