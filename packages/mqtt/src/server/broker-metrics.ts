import { MetricsRegistry } from '@khlong/core'
import type { SegmentLog } from '../journal/segment-log.ts'
import type { BrokerState } from '../state/broker-state.ts'
import type { AccessControl } from './access-control.ts'

/** The broker's metrics: `broker_…` as mosquitto-exporter names them, `khlong_mqtt_…` our own. */
export function brokerMetrics(
  state: () => BrokerState | undefined,
  log: () => SegmentLog | undefined,
  access: () => AccessControl | undefined,
  uptimeSeconds: () => number,
): MetricsRegistry {
  const registry = new MetricsRegistry()
  const collectors: ((state: BrokerState) => void)[] = []
  const counter = (name: string, help: string, value: (state: BrokerState) => number): void => {
    const series = registry.counter({ name, help }).series()
    collectors.push((from) => {
      series.value = value(from)
    })
  }
  const gauge = (name: string, help: string, value: (state: BrokerState) => number): void => {
    const series = registry.gauge({ name, help }).series()
    collectors.push((from) => {
      series.value = value(from)
    })
  }
  counter('broker_bytes_received', 'Bytes received', (s) => s.counters.bytesReceived)
  counter('broker_bytes_sent', 'Bytes sent', (s) => s.counters.bytesSent)
  counter('broker_messages_received', 'Packets received', (s) => s.counters.packetsReceived)
  counter('broker_messages_sent', 'Packets sent', (s) => s.counters.packetsSent)
  counter(
    'broker_publish_messages_received',
    'PUBLISH packets received',
    (s) => s.counters.publishReceived,
  )
  counter('broker_publish_messages_sent', 'PUBLISH packets sent', (s) => s.counters.publishSent)
  counter(
    'broker_publish_messages_dropped',
    'Messages not delivered to a client: overload of QoS 0, expiry, size',
    (s) => s.counters.publishDropped,
  )
  counter(
    'broker_publish_bytes_received',
    'Payload bytes received',
    (s) => s.counters.publishBytesReceived,
  )
  counter('broker_publish_bytes_sent', 'Payload bytes sent', (s) => s.counters.publishBytesSent)
  counter('broker_clients_expired', 'Sessions that expired', (s) => s.counters.clientsExpired)
  counter(
    'khlong_mqtt_connections_total',
    'Connections that were accepted',
    (s) => s.counters.connectionsAccepted,
  )
  counter(
    'khlong_mqtt_connections_refused_total',
    'Connections that were refused',
    (s) => s.counters.connectionsRefused,
  )
  counter(
    'khlong_mqtt_publisher_waits_total',
    'Times that a publisher waited for a full queue',
    (s) => s.counters.publisherWaits,
  )
  counter(
    'khlong_mqtt_logins_refused_total',
    'Logins with a wrong name or password, or without one where it is needed',
    (s) => s.counters.loginsRefused,
  )
  counter(
    'khlong_mqtt_publish_denied_total',
    'Messages that their publishers were not allowed to send',
    (s) => s.counters.publishDenied,
  )
  counter(
    'khlong_mqtt_tls_failures_total',
    'Connections without a TLS handshake, or without a certificate that is trusted',
    (s) => s.counters.tlsFailures,
  )
  counter(
    'khlong_mqtt_access_reloads_total',
    'Times that users, rules and certificates were read again',
    () => access()?.reloadCount ?? 0,
  )
  counter(
    'khlong_mqtt_access_reload_failures_total',
    'Times that they were not taken because a file was broken',
    () => access()?.failureCount ?? 0,
  )
  gauge(
    'khlong_mqtt_addresses_slowed',
    'Addresses whose logins wait after wrong ones',
    () => access()?.slowedCount ?? 0,
  )
  gauge('broker_clients_total', 'Sessions, connected or not', (s) => s.sessions.size)
  gauge('broker_clients_connected', 'Connected clients', (s) => s.connectedCount)
  gauge(
    'broker_clients_disconnected',
    'Sessions without a client',
    (s) => s.sessions.size - s.connectedCount,
  )
  gauge('broker_clients_maximum', 'The most sessions at once', (s) => s.counters.clientsMax)
  gauge('broker_subscriptions_count', 'Subscriptions', (s) => s.subscriptions.count)
  gauge('broker_retained_messages_count', 'Retained messages', (s) => s.retained.count)
  gauge(
    'broker_store_messages_count',
    'Messages in queues and retained',
    (s) => s.delivery.queuedCount + s.retained.count,
  )
  gauge(
    'broker_store_messages_bytes',
    'Bytes of messages in queues and retained',
    (s) => s.delivery.queuedBytes + s.retained.bytes,
  )
  gauge('broker_uptime', 'Seconds since the broker started', () => uptimeSeconds())
  gauge(
    'khlong_mqtt_queued_messages',
    'Messages in queues of sessions',
    (s) => s.delivery.queuedCount,
  )
  gauge('khlong_mqtt_queued_bytes', 'Bytes in queues of sessions', (s) => s.delivery.queuedBytes)
  gauge('khlong_mqtt_journal_bytes', 'Bytes of the journal on disk', () => log()?.diskBytes ?? 0)
  gauge(
    'khlong_mqtt_journal_live_bytes',
    'Bytes of the journal that are still needed',
    () => log()?.liveBytes ?? 0,
  )
  counter('khlong_mqtt_journal_flushes_total', 'Flushes to disk', () => log()?.flushCount ?? 0)
  registry.onRender(() => {
    const from = state()
    if (from) for (const collect of collectors) collect(from)
  })
  return registry
}
