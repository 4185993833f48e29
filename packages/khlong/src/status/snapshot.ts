import type { PartStatus, Vitals } from '@khlong/core'
import type { PartName } from '../config/part-names.ts'
import type { DeviceState } from '../devices/device-watch.ts'
import type { DiskState } from '../disk/disk-watch.ts'
import type { PartState, Supervisor } from '../host/supervisor.ts'
import { type ProcessMemory, readProcessMemory } from './memory.ts'

/** One part as the live table, the console and scripts see it. */
export interface PartSnapshot {
  readonly name: PartName
  readonly kind: 'embedded' | 'external'
  readonly status: PartStatus | 'external'
  /** The first of its addresses, as a client would use it. */
  readonly address: string | undefined
  readonly addresses: Readonly<Record<string, string>>
  readonly thread: string | undefined
  readonly restarts: number
  /** Memory of its thread, shared with the parts of the same thread. */
  readonly memoryBytes: number
  /** Records a second through it, over the last seconds. */
  readonly ratePerSecond: number
  readonly error?: string
  readonly vitals?: Vitals
}

/** The whole pipeline at one moment. */
export interface Snapshot {
  readonly name: string
  readonly version: string
  readonly processId: number
  /** The pipeline's folder, and the one with its data. */
  readonly folder: string
  readonly data: string
  readonly uptimeMs: number
  readonly ready: boolean
  readonly memory: ProcessMemory
  /** Of one core, so that two busy cores are 200. */
  readonly cpuPercent: number
  /** The size that the settings give the windows of the streams; missing where they do not. */
  readonly window?: { readonly sizeMs: number }
  /** How many registered devices are in each state; missing where there are none. */
  readonly devices?: Readonly<Record<DeviceState, number>>
  /** How the data stand to the disk budget; missing until it is measured. */
  readonly disk?: DiskState
  readonly parts: readonly PartSnapshot[]
}

/** The listener that is named as the part's protocol, not one that is for other parts only. */
function mainAddress({ name, addresses }: PartState): string | undefined {
  return addresses[name] || addresses[`${name}s`] || addresses.http || undefined
}

interface ExternalPart {
  readonly name: PartName
  readonly address: string
}

export interface SnapshotSourceOptions {
  name: string
  version: string
  folder: string
  data: string
  window: { readonly sizeMs: number } | undefined
  supervisor: Supervisor
  external: readonly ExternalPart[]
}

/** How many seconds a rate looks back. */
const rateWindow = 5

/** Takes snapshots, and from their differences rates. */
export class SnapshotSource {
  readonly #options: SnapshotSourceOptions
  readonly #history = new Map<PartName, { atMs: number; records: number }[]>()
  readonly #startMs = performance.now()
  #cpu = process.cpuUsage()
  #cpuAtMs: number = performance.now()
  ready = false

  constructor(options: SnapshotSourceOptions) {
    this.#options = options
  }

  async take(devices?: Readonly<Record<DeviceState, number>>, disk?: DiskState): Promise<Snapshot> {
    const { name, version, folder, data, window, supervisor, external } = this.#options
    const [states, memory] = await Promise.all([supervisor.refresh(), readProcessMemory()])
    return {
      name,
      version,
      processId: process.pid,
      folder,
      data,
      uptimeMs: Math.round(performance.now() - this.#startMs),
      ready: this.ready,
      memory,
      cpuPercent: this.#cpuPercent(),
      ...(window === undefined ? {} : { window }),
      ...(devices === undefined ? {} : { devices }),
      ...(disk === undefined ? {} : { disk }),
      parts: [
        ...states.map((state) => this.#partSnapshot(state)),
        ...external.map(
          ({ name: part, address }): PartSnapshot => ({
            name: part,
            kind: 'external',
            status: 'external',
            address,
            addresses: { [part]: address },
            thread: undefined,
            restarts: 0,
            memoryBytes: 0,
            ratePerSecond: 0,
          }),
        ),
      ],
    }
  }

  #partSnapshot(state: PartState): PartSnapshot {
    const { vitals, error } = state
    return {
      name: state.name,
      kind: 'embedded',
      status: state.status,
      address: mainAddress(state),
      addresses: state.addresses,
      thread: state.thread,
      restarts: state.restarts,
      memoryBytes: state.threadMemoryBytes,
      ratePerSecond: vitals ? this.#rate(state.name, vitals) : 0,
      ...(error === undefined ? {} : { error }),
      ...(vitals === undefined ? {} : { vitals }),
    }
  }

  #rate(part: PartName, vitals: Vitals): number {
    const atMs = performance.now()
    const records = Math.max(vitals.recordsIn, vitals.recordsOut)
    const history = this.#history.get(part) ?? []
    this.#history.set(part, history)
    // A part that was started again counts from zero.
    if (records < (history.at(-1)?.records ?? 0)) history.length = 0
    history.push({ atMs, records })
    while (history.length > 2 && history[1]!.atMs < atMs - rateWindow * 1_000) history.shift()
    const oldest = history[0]!
    const seconds = (atMs - oldest.atMs) / 1_000
    return seconds > 0.1 ? (records - oldest.records) / seconds : 0
  }

  #cpuPercent(): number {
    const nowMs = performance.now()
    const { user, system } = process.cpuUsage(this.#cpu)
    const elapsedMs = nowMs - this.#cpuAtMs
    if (elapsedMs < 100) return 0
    this.#cpu = process.cpuUsage()
    this.#cpuAtMs = nowMs
    return Math.round((user + system) / 10 / elapsedMs)
  }
}
