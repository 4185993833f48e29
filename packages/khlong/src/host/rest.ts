import { performance } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'

const lookEachMs = 5_000
/** Busy for less than this share of the time: a collection now keeps nobody waiting. */
const restUtilization = 0.1
const worthBytes = 16 * 1_048_576

/**
 * Gives back what a flood has left in this thread when it comes to rest. By itself V8 lets up to 64 MiB of buffers
 * lie that nobody needs any more, until as much is allocated again; after a flood that may be never.
 * Does nothing where the process was begun without `--expose-gc` (begin.ts).
 */
export function collectAtRest(): void {
  const { gc } = globalThis
  if (!gc) return
  let before = performance.eventLoopUtilization()
  let restBytes = getHeapStatistics().external_memory
  setInterval(() => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, before)
    before = now
    const externalBytes = getHeapStatistics().external_memory
    restBytes = Math.min(restBytes, externalBytes)
    if (utilization >= restUtilization || externalBytes < restBytes + worthBytes) return
    gc()
    restBytes = getHeapStatistics().external_memory
  }, lookEachMs).unref()
}
