import { MetricsRegistry } from '@khlong/core'
import type { OperationCounts, ServerState } from '../commands/context.ts'

const documentStates = {
  inserted: 'inserted',
  updated: 'updated',
  deleted: 'deleted',
  returned: 'returned',
} as const
const operations = ['insert', 'query', 'update', 'delete', 'getmore', 'command'] as const

/** The server's metrics, named as mongodb_exporter names them. */
export class MongodbMetrics {
  readonly #registry = new MetricsRegistry()
  #state: ServerState | undefined

  constructor() {
    const registry = this.#registry
    const gauge = (name: string, help: string) => registry.gauge({ name: `mongodb_${name}`, help })
    const counter = (name: string, help: string) =>
      registry.counter({ name: `mongodb_${name}`, help })
    const up = gauge('up', 'Whether the server runs.')
    const uptime = gauge('ss_uptime', 'Seconds since the server started.')
    const opcounters = counter('ss_opcounters', 'Operations by type.')
    const documents = counter(
      'ss_metrics_document',
      'Documents inserted, updated, deleted, returned.',
    )
    const connections = gauge('ss_connections', 'Connections by state.')
    const bytesIn = counter('ss_network_bytesIn', 'Bytes received.')
    const bytesOut = counter('ss_network_bytesOut', 'Bytes sent.')
    const requests = counter('ss_network_numRequests', 'Commands received.')
    const cursors = gauge('ss_metrics_cursor_open', 'Open cursors.')
    const cursorsTimedOut = counter('ss_metrics_cursor_timedOut', 'Cursors closed for idleness.')
    const ttlDeleted = counter(
      'ss_metrics_ttl_deletedDocuments',
      'Documents deleted by TTL indexes.',
    )
    const ttlPasses = counter('ss_metrics_ttl_passes', 'Passes over TTL indexes.')
    const commits = counter('khlong_commits_total', 'Transactions flushed to the disk.')
    const jobs = counter(
      'khlong_commit_jobs_total',
      'Pieces of work that shared those transactions.',
    )
    const count = gauge('collstats_storageStats_count', 'Documents in a collection.')
    const size = gauge('collstats_storageStats_size', 'Bytes of the documents in a collection.')
    registry.onRender(() => {
      const state = this.#state
      up.set(state ? 1 : 0)
      if (!state) return
      uptime.set((state.clock.nowMs() - state.startedMs) / 1000)
      for (const type of operations)
        opcounters.series({ legacy_op_type: type }).value = state.counts[type]
      for (const name in documentStates) {
        const key = name as keyof typeof documentStates & keyof OperationCounts
        documents.series({ doc_op_type: name }).value = state.counts[key]
      }
      connections.set(state.connectionCount(), { conn_type: 'current' })
      connections.set(state.settings.connectionsMax - state.connectionCount(), {
        conn_type: 'available',
      })
      const network = state.network()
      bytesIn.series().value = network.bytesIn
      bytesOut.series().value = network.bytesOut
      requests.series().value = network.requests
      cursors.set(state.cursors.size, { csr_type: 'total' })
      cursorsTimedOut.series().value = state.cursors.timedOut
      ttlDeleted.series().value = state.counts.ttlDeleted
      ttlPasses.series().value = state.counts.ttlPasses
      commits.series().value = state.engine.counts.transactions
      jobs.series().value = state.engine.counts.jobs
      count.clear()
      size.clear()
      // Each collection is a series: the largest number of them is bounded.
      let left = 200
      for (const collection of state.catalog.all()) {
        if (left-- === 0) break
        const dot = collection.namespace.indexOf('.')
        const labels = {
          database: collection.namespace.slice(0, dot),
          collection: collection.namespace.slice(dot + 1),
        }
        count.set(collection.stored.count, labels)
        size.set(collection.stored.dataBytes, labels)
      }
    })
  }

  attach(state: ServerState): void {
    this.#state = state
  }
  render(): string {
    return this.#registry.render()
  }
}
