import { performance } from 'node:perf_hooks'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const lookEachMs = 2_000
/** Busy for less than this share of the time: a collection now keeps nobody waiting. */
const restUtilization = 0.1
const worthBytes = 8 * 1_048_576

/**
 * Gives back what the start, or a flood, has left in this thread when it comes to rest. By itself V8 keeps the half-empty
 * pages of its heap, 5 MiB a thread after the start, and lets up to 64 MiB of buffers lie that nobody needs any more,
 * until as much is allocated again; after a flood that may be never.
 */
export function collectAtRest(): void {
  let before = performance.eventLoopUtilization()
  let restBytes = 0
  let isAfterStart = true
  setInterval(() => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, before)
    before = now
    const held = heldBytes()
    restBytes = Math.min(restBytes, held)
    if (utilization >= restUtilization || held < restBytes + worthBytes) return
    // The last resort compacts the heap too, 50 to 80 ms, and forgets what it has compiled: after that a flood
    // cost Kafka twice its CPU, so it is for the start alone.
    if (!collect(isAfterStart ? 'last-resort' : 'regular')) return
    isAfterStart = false
    restBytes = heldBytes()
  }, lookEachMs).unref()
}

/**
 * Collects the whole heap. The flag is set while a context is made and no longer: V8 keeps what was compiled with other
 * flags apart, so in a process that is begun with it Node compiles its own modules anew, 20 ms of CPU in each thread.
 * Gives false where another thread, which shares the flags, took it back at that very moment.
 */
function collect(flavor: 'last-resort' | 'regular'): boolean {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('globalThis.gc') as NodeJS.GCFunction | undefined
  setFlagsFromString('--no-expose-gc')
  gc?.({ type: 'major', execution: 'sync', flavor })
  return gc !== undefined
}

/** Pages of the heap, half-empty ones too, and buffers. */
function heldBytes(): number {
  const { total_heap_size, external_memory } = getHeapStatistics()
  return total_heap_size + external_memory
}
