import { statfs } from 'node:fs/promises'
import path from 'node:path'
import type { Gauge, MetricsRegistry } from '@khlong/core'

/** The disk under a folder, by the names of Prometheus's node exporter, for rules that watch it. */
export class DiskMetrics {
  readonly #folder: string
  readonly #size: Gauge
  readonly #available: Gauge

  constructor(folder: string, registry: MetricsRegistry) {
    this.#folder = path.resolve(folder)
    this.#size = registry.gauge({
      name: 'node_filesystem_size_bytes',
      help: 'Bytes of the disk that holds the data.',
    })
    this.#available = registry.gauge({
      name: 'node_filesystem_avail_bytes',
      help: 'Bytes of it that are free.',
    })
  }

  async measure(): Promise<void> {
    const { bsize, blocks, bavail } = await statfs(this.#folder)
    const labels = { mountpoint: this.#folder }
    this.#size.set(blocks * bsize, labels)
    this.#available.set(bavail * bsize, labels)
  }
}
