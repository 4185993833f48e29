import assert from 'node:assert/strict'
import test from 'node:test'
import { silentLogger } from '@khlong/core'
import { FakeClock } from '@khlong/core/testing'
import type { PartName } from '../src/config/part-names.ts'
import type { PartThread, ThreadEvents } from '../src/host/part-thread.ts'
import { Supervisor } from '../src/host/supervisor.ts'
import { partDefinition } from '../src/parts/definitions.ts'

/** A thread that only writes down what is asked of it. */
class ScriptedThread implements PartThread {
  readonly calls: string[]
  readonly events: ThreadEvents
  readonly failing: Set<PartName>
  /** Parts that never stop. */
  readonly waiting = new Set<PartName>()
  /** What the start of a part waits for. */
  slow: ReadonlyMap<PartName, Promise<void>> = new Map()
  constructor(calls: string[], events: ThreadEvents, failing: Set<PartName>) {
    this.calls = calls
    this.events = events
    this.failing = failing
  }
  async make(): Promise<void> {}
  async start(name: PartName): Promise<Record<string, string>> {
    this.calls.push(`start ${name}`)
    await this.slow.get(name)
    if (this.failing.has(name)) throw new Error(`${name} cannot start`)
    return { [name]: '127.0.0.1:1' }
  }
  async stop(name: PartName): Promise<void> {
    this.calls.push(`stop ${name}`)
    if (this.waiting.has(name)) await new Promise(() => {})
  }
  async call(): Promise<unknown> {
    return undefined
  }
  async metrics(): Promise<string> {
    return ''
  }
  async report(): Promise<{ parts: []; memoryBytes: number }> {
    return { parts: [], memoryBytes: 0 }
  }
  async end(): Promise<void> {}
}

function supervise(names: PartName[], slow: ReadonlyMap<PartName, Promise<void>> = new Map()) {
  const calls: string[] = []
  const failing = new Set<PartName>()
  const clock = new FakeClock()
  const threads: ScriptedThread[] = []
  const supervisor = new Supervisor({
    parts: names.map((name) => ({ definition: partDefinition(name), settings: {} })),
    makeThread: (_, events) => {
      const thread = new ScriptedThread(calls, events, failing)
      thread.slow = slow
      threads.push(thread)
      return thread
    },
    logger: silentLogger,
    clock,
  })
  return { supervisor, calls, failing, clock, threads }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('parts start in dependency order and stop in reverse', async () => {
  const { supervisor, calls } = supervise(['kafka', 'zookeeper', 'streams'])
  await supervisor.start()
  assert.deepEqual(calls, ['start zookeeper', 'start kafka', 'start streams'])
  calls.length = 0
  await supervisor.stop()
  assert.deepEqual(calls, ['stop streams', 'stop kafka', 'stop zookeeper'])
})

test('a part that fails is started again, later each time, and takes down no other', async () => {
  const { supervisor, calls, failing, clock, threads } = supervise(['zookeeper', 'kafka', 'mqtt'])
  await supervisor.start()
  calls.length = 0
  failing.add('kafka')
  threads[0]!.events.onPartFailure('kafka', new Error('disk is gone'))
  assert.equal(supervisor.states().find(({ name }) => name === 'kafka')?.error, 'disk is gone')
  clock.advance(500)
  await settle()
  assert.deepEqual(calls, ['stop kafka', 'start kafka'])
  clock.advance(999)
  await settle()
  assert.equal(calls.length, 2)
  failing.delete('kafka')
  clock.advance(1)
  await settle()
  assert.deepEqual(calls.slice(2), ['stop kafka', 'start kafka'])
  const states = supervisor.states()
  assert.ok(states.every(({ status }) => status === 'ready'))
  assert.equal(states.find(({ name }) => name === 'kafka')?.restarts, 2)
})

test('a lost thread takes down its own parts only, and they come back on a new one', async () => {
  const { supervisor, calls, clock, threads } = supervise(['zookeeper', 'kafka', 'mqtt'])
  await supervisor.start()
  calls.length = 0
  threads[0]!.events.onThreadFailure(new Error('thread ended'))
  const broken = supervisor.states().filter(({ status }) => status === 'failed')
  assert.equal(new Set(broken.map(({ thread }) => thread)).size, 1)
  clock.advance(500)
  await settle()
  assert.ok(supervisor.states().every(({ status }) => status === 'ready'))
  assert.equal(threads.length, 3)
})

test('a part that waits for what does not answer is cut off, and the others stop', async () => {
  const { supervisor, calls, threads, clock } = supervise(['zookeeper', 'kafka', 'streams'])
  await supervisor.start()
  calls.length = 0
  for (const { waiting } of threads) waiting.add('streams')
  const stopping = supervisor.stop(5_000)
  await settle()
  assert.deepEqual(calls, ['stop streams'])
  clock.advance(15_000)
  assert.deepEqual(await stopping, ['streams'])
  assert.deepEqual(calls, ['stop streams', 'stop kafka', 'stop zookeeper'])
})

test('a part that cannot start at first stops the others and says why', async () => {
  const { supervisor, calls, failing } = supervise(['zookeeper', 'kafka', 'mqtt'])
  failing.add('kafka')
  await assert.rejects(supervisor.start(), /kafka cannot start/)
  assert.ok(calls.includes('stop zookeeper'))
  assert.ok(calls.includes('stop mqtt'))
})

test('while parts are stopped none begins to start that waited for another', async () => {
  const slow = Promise.withResolvers<void>()
  const { supervisor, calls } = supervise(
    ['zookeeper', 'kafka', 'streams'],
    new Map([['kafka', slow.promise]]),
  )
  const starting = assert.rejects(supervisor.start(), /streams was stopped before it had started/)
  while (!calls.includes('start kafka')) await settle()
  const stopping = supervisor.stop()
  slow.resolve()
  await Promise.all([stopping, starting])
  assert.deepEqual(calls, ['start zookeeper', 'start kafka', 'stop kafka', 'stop zookeeper'])
})
