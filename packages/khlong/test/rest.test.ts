import assert from 'node:assert/strict'
import { once } from 'node:events'
import test from 'node:test'
import { Worker } from 'node:worker_threads'

const rest = JSON.stringify(new URL('../src/host/rest.ts', import.meta.url).href)
/** Lets go of 40 MiB, less than makes V8 collect by itself, and ends when they are given back. */
const thread = `
  import { getHeapStatistics } from 'node:v8'
  import { parentPort } from 'node:worker_threads'
  import { collectAtRest } from ${rest}
  collectAtRest()
  let kept = Array.from({ length: 40 }, () => Buffer.alloc(1_048_576))
  kept = undefined
  const timer = setInterval(() => {
    if (getHeapStatistics().external_memory > 10 * 1_048_576) return
    clearInterval(timer)
    parentPort.postMessage(typeof gc)
  }, 100)`

test('threads at rest give back what they have let go of, and their code learns of no gc', {
  timeout: 60_000,
}, async () => {
  // Several at once, since they share the flag by which V8 shows its collector.
  const threads = Array.from(
    { length: 4 },
    () => new Worker(new URL(`data:text/javascript,${encodeURIComponent(thread)}`)),
  )
  const seen = await Promise.all(threads.map(async (worker) => (await once(worker, 'message'))[0]))
  assert.deepEqual(seen, ['undefined', 'undefined', 'undefined', 'undefined'])
})
