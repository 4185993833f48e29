export {
  type AlertmanagerOptions,
  type ResolvedAlertmanagerOptions,
  resolveAlertmanagerOptions,
} from './alertmanager/options.ts'
export { AlertmanagerServer } from './alertmanager/server/alertmanager-server.ts'
export { PrometheusError, type PrometheusErrorCode } from './errors.ts'
export { prometheusFormats } from './formats.ts'
export {
  type PrometheusOptions,
  type ResolvedPrometheusOptions,
  resolvePrometheusOptions,
} from './options.ts'
export { PrometheusServer } from './server/prometheus-server.ts'
