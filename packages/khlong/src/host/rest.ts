import { performance } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'

const lookEachMs = 2_000
/** Busy for less than this share of the time: a collection now keeps nobody waiting. */
const restUtilization = 0.1
const worthBytes = 8 * 1_048_576

/**
 * Gives back what the start, or a flood, has left in this thread when it comes to rest. By itself V8 keeps the half-empty
 * pages of its heap, 5 MiB a thread after the start, and lets up to 64 MiB of buffers lie that nobody needs any more,
 * until as much is allocated again; after a flood that may be never.
 * Does nothing where the process was begun without `--expose-gc` (begin.ts).
 */
export function collectAtRest(): void {
  const { gc } = globalThis
  if (!gc) return
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
    gc({ type: 'major', execution: 'sync', flavor: isAfterStart ? 'last-resort' : 'regular' })
    isAfterStart = false
    restBytes = heldBytes()
  }, lookEachMs).unref()
}

/** Pages of the heap, half-empty ones too, and buffers. */
function heldBytes(): number {
  const { total_heap_size, external_memory } = getHeapStatistics()
  return total_heap_size + external_memory
}
