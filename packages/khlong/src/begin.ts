import { flushCompileCache } from 'node:module'
import { partNames } from './config/part-names.ts'

/** Half of what Node takes by itself, in each thread: with it the process holds 15 MiB less, and no frame costs more. */
const youngGeneration = '--max-semi-space-size=2'
/**
 * A lone broker keeps Node's own: small requests fill 2 MiB with every hundredth of them, and as many answers would
 * wait for a collection. It costs 15 MiB.
 */
const largeYoungGeneration: ReadonlySet<string> = new Set(['kafka'])
/**
 * Buffers of this size and more go back to the system when they are freed. By itself glibc raises the
 * limit with each large buffer (mallopt(3), M_MMAP_THRESHOLD) and keeps what it once held: 15 MiB with
 * the demo fleet, 40 MiB after a flood.
 */
const largeBytes = String(128 * 1_024)
/**
 * Threads share one heap of glibc's (mallopt(3), M_ARENA_MAX): each of V8's and LMDB's would keep what it had
 * freed in one of its own, 5 to 30 MiB while streams drain a topic or read stores from their changelogs.
 */
const oneArena = { MALLOC_ARENA_MAX: '1' }

const longRunning: ReadonlySet<string> = new Set(['up', ...partNames])

/**
 * Begins a long-running command again in this very process (execve(2)), with settings of memory that
 * count only from a process's begin; returns where they are set already, can't be, or the command is
 * over at once. Linux only: the settings are glibc's.
 */
export function beginWithMemorySettings(command: string | undefined): void {
  if (process.platform !== 'linux' || !process.execve || !longRunning.has(command ?? '')) return
  if (process.env.MALLOC_MMAP_THRESHOLD_ !== undefined) return
  const hasSize = process.execArgv.some((flag) => flag.startsWith('--max-semi-space-size'))
  const keepsSize = hasSize || largeYoungGeneration.has(command ?? '')
  const flags = [...process.execArgv, ...(keepsSize ? [] : [youngGeneration])]
  // Node writes it when a process ends, and this one does not.
  flushCompileCache()
  process.execve(process.execPath, [process.execPath, ...flags, ...process.argv.slice(1)], {
    ...(command === 'streams' ? oneArena : {}),
    ...process.env,
    MALLOC_MMAP_THRESHOLD_: largeBytes,
    MALLOC_TRIM_THRESHOLD_: largeBytes,
  })
}
