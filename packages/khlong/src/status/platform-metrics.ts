import { MetricsRegistry } from '@khlong/core'
import type { DiskState } from '../disk/disk-watch.ts'

/** The platform's own metrics: how the data stand to the disk budget. */
export function platformMetrics(state: () => DiskState | undefined): MetricsRegistry {
  const registry = new MetricsRegistry()
  const used = registry.gauge({
    name: 'khlong_disk_used_bytes',
    help: 'Bytes that the data take on the disk, by folder.',
  })
  const budget = registry.gauge({
    name: 'khlong_disk_budget_bytes',
    help: 'Bytes that disk.budget allows.',
  })
  const limit = registry.gauge({
    name: 'khlong_disk_limit_bytes',
    help: 'Bytes that the data can take at most: the budget, or less where others fill the disk.',
  })
  const held = registry.gauge({
    name: 'khlong_sources_held',
    help: 'Whether messages of sources wait unacknowledged because of the disk: 1 or 0.',
  })
  registry.onRender(() => {
    const disk = state()
    if (!disk) return
    for (const { name, bytes } of disk.parts) used.set(bytes, { folder: name })
    budget.set(disk.budgetBytes)
    limit.set(disk.limitBytes)
    held.set(disk.held === undefined ? 0 : 1)
  })
  return registry
}
