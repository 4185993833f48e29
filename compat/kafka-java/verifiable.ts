import assert from 'node:assert/strict'
import { classPath, JavaProcess, type KafkaRelease } from './java.ts'
import { makeTopics } from './records.ts'
import type { JavaCase, JavaContext } from './run.ts'

const topic = 'verifiable'
const assignors = [
  'RangeAssignor',
  'RoundRobinAssignor',
  'StickyAssignor',
  'CooperativeStickyAssignor',
]

/** One line of a verifiable program: an event in JSON. */
interface Event {
  readonly name: string
  readonly value?: string
  readonly partition?: number
  readonly offset?: number
  readonly partitions?: readonly { partition: number }[]
}

function eventsOf(program: JavaProcess): Event[] {
  return program.lines
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Event)
}

function isEvent(name: string): (line: string) => boolean {
  return (line) => line.startsWith('{') && (JSON.parse(line) as Event).name === name
}

/** The flag that gives the address, which has changed its name. */
function addressFlags({ target }: JavaContext, release: KafkaRelease): string[] {
  return [release === '2.8.2' ? '--broker-list' : '--bootstrap-server', target.bootstrapServers]
}

async function producer(
  context: JavaContext,
  release: KafkaRelease,
  acks: number,
  records: number,
): Promise<JavaProcess> {
  return new JavaProcess(
    await classPath(context.cache, release),
    'org.apache.kafka.tools.VerifiableProducer',
    [
      ...addressFlags(context, release),
      ...['--topic', topic, '--acks', String(acks), '--max-messages', String(records)],
      ...['--throughput', '5000'],
    ],
  )
}

async function consumer(
  context: JavaContext,
  release: KafkaRelease,
  more: readonly string[] = [],
): Promise<JavaProcess> {
  const program = new JavaProcess(
    await classPath(context.cache, release),
    'org.apache.kafka.tools.VerifiableConsumer',
    [
      ...addressFlags(context, release),
      ...['--topic', topic, '--group-id', 'group', '--session-timeout', '6000'],
      ...['--reset-policy', 'earliest', '--verbose', ...more],
    ],
  )
  await program.line(isEvent('partitions_assigned'))
  return program
}

/** Awaits that the consumers have seen every value that the producer saw acknowledged; gives how often each was seen. */
async function awaitAll(
  produced: JavaProcess,
  consumers: readonly JavaProcess[],
): Promise<Map<string, number>> {
  const acknowledged = eventsOf(produced)
    .filter(({ name }) => name === 'producer_send_success')
    .map(({ value }) => value!)
  const seen = new Map<string, number>()
  const note = (line: string): void => {
    if (!line.includes('"record_data"')) return
    const { value } = JSON.parse(line) as Event
    seen.set(value!, (seen.get(value!) ?? 0) + 1)
  }
  for (const { lines } of consumers) lines.forEach(note)
  const left = new Set(acknowledged.filter((value) => !seen.has(value)))
  const deadline = AbortSignal.timeout(120_000)
  if (left.size > 0)
    await new Promise<void>((resolve, reject) => {
      const look = (line: string): void => {
        note(line)
        if (!line.includes('"record_data"')) return
        left.delete((JSON.parse(line) as Event).value!)
        if (left.size === 0) resolve()
      }
      for (const program of consumers) program.on('line', look)
      deadline.addEventListener('abort', () =>
        reject(new Error(`${left.size} of ${acknowledged.length} values were not consumed`)),
      )
    })
  return seen
}

function assertInOrder(consumers: readonly JavaProcess[]): void {
  for (const program of consumers) {
    const last = new Map<number, number>()
    for (const { name, partition, offset, partitions } of eventsOf(program)) {
      if (name === 'partitions_revoked' || name === 'partitions_assigned')
        for (const each of partitions ?? []) last.delete(each.partition)
      if (name !== 'record_data') continue
      assert.ok(offset! > (last.get(partition!) ?? -1), `partition ${partition}, offset ${offset}`)
      last.set(partition!, offset!)
    }
  }
}

const roundTrips: JavaCase[] = (['2.8.2', '3.9.1', '4.3.1'] as const).flatMap((release) =>
  [0, 1, -1].map((acks) => ({
    name: `VerifiableProducer and VerifiableConsumer of ${release}, acks ${acks}`,
    run: async (context: JavaContext) => {
      await makeTopics(context.target.bootstrapServers, { [topic]: 6 })
      const consumers = [await consumer(context, release), await consumer(context, release)]
      const produced = await producer(context, release, acks, 20_000)
      assert.equal(await produced.end(), 0, produced.lines.slice(-20).join('\n'))
      const seen = await awaitAll(produced, consumers)
      assert.equal(seen.size, 20_000)
      assertInOrder(consumers)
      for (const program of consumers) await program.stop()
    },
  })),
)

const failovers: JavaCase[] = assignors.map((assignor) => ({
  name: `VerifiableConsumer of 4.3.1, ${assignor}: a consumer is killed, another stops, a third comes`,
  run: async (context) => {
    await makeTopics(context.target.bootstrapServers, { [topic]: 6 })
    const strategy = ['--assignment-strategy', `org.apache.kafka.clients.consumer.${assignor}`]
    const join = (): Promise<JavaProcess> => consumer(context, '4.3.1', strategy)
    const consumers = [await join(), await join()]
    const produced = await producer(context, '4.3.1', -1, 40_000)
    await produced.line(isEvent('producer_send_success'))
    await consumers[0]!.kill()
    consumers.push(await join())
    await consumers[1]!.stop()
    assert.equal(await produced.end(), 0)
    await awaitAll(produced, consumers)
    assertInOrder(consumers)
    await consumers[2]!.stop()
  },
}))

const staticMembers: JavaCase = {
  name: 'VerifiableConsumer of 4.3.1: a static member that comes back moves no partition of the others',
  run: async (context) => {
    await makeTopics(context.target.bootstrapServers, { [topic]: 6 })
    const join = (id: string): Promise<JavaProcess> =>
      consumer(context, '4.3.1', ['--group-instance-id', id, '--session-timeout', '30000'])
    const stays = await join('stays')
    const leaves = await join('leaves')
    const assigned = (): Event[] =>
      eventsOf(stays).filter(({ name }) => name === 'partitions_assigned')
    // The second one's coming has moved partitions; now both have their own.
    const before = await new Promise<number>((resolve) => {
      const look = (): void => {
        if (assigned().at(-1)?.partitions?.length === 3) resolve(assigned().length)
      }
      stays.on('line', look)
      look()
    })
    await leaves.kill()
    const back = await join('leaves')
    const produced = await producer(context, '4.3.1', -1, 5_000)
    assert.equal(await produced.end(), 0)
    await awaitAll(produced, [stays, leaves, back])
    assert.equal(assigned().length, before)
    await stays.stop()
    await back.stop()
  },
}

export const verifiable: readonly JavaCase[] = [...roundTrips, ...failovers, staticMembers]
