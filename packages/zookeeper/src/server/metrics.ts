import { MetricsRegistry } from '@khlong/core'
import type { State } from '../state/state.ts'
import type { Statistics } from './statistics.ts'

/** Where the figures come from. */
export interface Readings {
  readonly statistics: Statistics
  state(): State | undefined
  connectionCount(): number
  uptimeMs(): number
}

type Reading = (from: Readings) => number
const rounded = (value: number): number => Math.round(value * 10_000) / 10_000

/** Names as ZooKeeper's own Prometheus provider and `mntr` (with `zk_` before them) have them. */
const readings: readonly (readonly [
  name: string,
  kind: 'gauge' | 'counter',
  help: string,
  Reading,
])[] = [
  [
    'avg_latency',
    'gauge',
    'Mean time from a request to its reply, in ms',
    (r) => rounded(r.statistics.latencyMsAverage),
  ],
  [
    'max_latency',
    'gauge',
    'Longest time from a request to its reply, in ms',
    (r) => Math.floor(r.statistics.latencyMsMax),
  ],
  [
    'min_latency',
    'gauge',
    'Shortest time from a request to its reply, in ms',
    (r) => (Number.isFinite(r.statistics.latencyMsMin) ? Math.floor(r.statistics.latencyMsMin) : 0),
  ],
  ['packets_received', 'gauge', 'Packets that came in', (r) => r.statistics.packetsReceived],
  ['packets_sent', 'gauge', 'Packets that went out', (r) => r.statistics.packetsSent],
  ['num_alive_connections', 'gauge', 'Connections that are open', (r) => r.connectionCount()],
  [
    'outstanding_requests',
    'gauge',
    'Requests whose replies have not left',
    (r) => r.statistics.outstandingRequests,
  ],
  [
    'znode_count',
    'gauge',
    'Znodes, the root counted twice as ZooKeeper does',
    (r) => (r.state()?.tree.size ?? -1) + 1,
  ],
  [
    'watch_count',
    'gauge',
    'Watches',
    (r) => (r.state()?.dataWatches.count ?? 0) + (r.state()?.childWatches.count ?? 0),
  ],
  ['ephemerals_count', 'gauge', 'Ephemeral znodes', (r) => r.state()?.tree.ephemeralCount ?? 0],
  ['global_sessions', 'gauge', 'Sessions that live', (r) => r.state()?.sessions.count ?? 0],
  ['local_sessions', 'gauge', 'Sessions that only this server knows; there are none', () => 0],
  [
    'approximate_data_size',
    'gauge',
    'Bytes of paths and data',
    (r) => r.state()?.tree.dataBytes ?? 0,
  ],
  [
    'last_client_response_size',
    'gauge',
    'Bytes of the last replies that left together',
    (r) => r.statistics.responseBytesLast,
  ],
  ['auth_failed_count', 'gauge', 'Authentications that failed', (r) => r.statistics.authFailures],
  ['uptime', 'gauge', 'Milliseconds since the start', (r) => Math.floor(r.uptimeMs())],
  ['last_processed_zxid', 'gauge', 'The last zxid', (r) => r.state()?.lastZxid ?? 0],
  [
    'connection_drop_count',
    'counter',
    'Connections that ended while their session lived',
    (r) => r.statistics.connectionsDropped,
  ],
  [
    'connection_rejected',
    'counter',
    'Connections that were refused',
    (r) => r.statistics.connectionsRejected,
  ],
  [
    'stale_sessions_expired',
    'counter',
    'Sessions that were silent for too long',
    (r) => r.statistics.sessionsExpired,
  ],
  ['fsynctime_count', 'counter', 'Flushes of the log', (r) => r.statistics.flushes],
  [
    'fsynctime_sum',
    'counter',
    'Milliseconds spent in flushes of the log',
    (r) => rounded(r.statistics.flushMsSum),
  ],
  ['snapshottime_count', 'counter', 'Snapshots', (r) => r.statistics.snapshots],
  [
    'snapshottime_sum',
    'counter',
    'Milliseconds spent in snapshots',
    (r) => rounded(r.statistics.snapshotMsSum),
  ],
]

/** A registry that reads the figures at each rendering, and the same figures for `mntr`. */
export function registerMetrics(from: Readings): {
  registry: MetricsRegistry
  readings(): Iterable<readonly [string, number]>
} {
  const registry = new MetricsRegistry()
  const series = readings.map(([name, kind, help, read]) => ({
    series: registry[kind]({ name, help }).series(),
    read,
  }))
  registry.onRender(() => {
    for (const { series: one, read } of series) one.value = read(from)
  })
  return {
    registry,
    readings: () => readings.map(([name, , , read]) => [name, read(from)] as const),
  }
}
