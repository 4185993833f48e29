import type { Admin, ConsumerRecord, KafkaClientOptions } from '@khlong/kafka-client'
import type { Command } from 'commander'
import { KhlongError } from '../errors.ts'
import { firstLine } from '../terminal/format.ts'
import { commandConfigOption, readClientProperties } from './client-properties.ts'
import { countArgument } from './count-argument.ts'

interface ServerFlags {
  bootstrapServer: string
  commandConfig?: string
  commandProperty: string[]
}

/** How to reach the Kafka, as Kafka's own tools are told it. */
function withServer(command: Command): Command {
  return command
    .option(
      '--bootstrap-server <host:port>',
      'the Kafka (comma-separated for several)',
      '127.0.0.1:9092',
    )
    .addOption(commandConfigOption())
    .option(
      '--command-property <key=value>',
      'one such property (repeatable)',
      (value: string, previous: string[]) => [...previous, value],
      [] as string[],
    )
}

/** `khlong kafka topics|groups|produce|consume`, on any Kafka. The client is loaded by who uses it: a broker that starts does not wait for it. */
export function addKafkaCommands(command: Command): void {
  withServer(command.command('topics'))
    .description('topics with partitions and records')
    .option('--internal', 'internal topics too')
    .action((flags: ServerFlags & { internal?: boolean }) =>
      withAdmin(flags, (admin) => listTopics(admin, flags.internal ?? false)),
    )

  withServer(command.command('groups'))
    .description('consumer groups with their lag')
    .action((flags: ServerFlags) => withAdmin(flags, listGroups))

  withServer(command.command('produce'))
    .description('write records: lines of standard input, or --value')
    .argument('<topic>')
    .option('--key <text>', 'the record key')
    .option('--value <text>', 'one record instead of standard input')
    .action(produce)

  withServer(command.command('consume'))
    .description('print the values of records as they come')
    .argument('<topic>')
    .option('--from-beginning', 'what is there already, too')
    .option(
      '--count <n>',
      'end after so many records; without it they are printed as they come, until Ctrl-C',
      countArgument,
    )
    .option(
      '-v, --verbose',
      'partition, offset, time, key and headers (their first lines) before each value',
    )
    .action(consume)
}

async function withAdmin(flags: ServerFlags, use: (admin: Admin) => Promise<void>): Promise<void> {
  const { Admin } = await import('@khlong/kafka-client')
  await using admin = new Admin(await clientOptions(flags))
  await use(admin)
}

async function clientOptions({
  bootstrapServer,
  commandConfig,
  commandProperty,
}: ServerFlags): Promise<KafkaClientOptions> {
  const given = commandProperty.map((property) => {
    const equals = property.indexOf('=')
    if (equals < 1) throw new KhlongError('KHLONG_USAGE', `--command-property: expected key=value`)
    return [property.slice(0, equals), property.slice(equals + 1)]
  })
  return {
    'client.id': 'khlong',
    'default.api.timeout.ms': 10_000,
    ...(await readClientProperties(commandConfig)),
    ...Object.fromEntries(given),
    'bootstrap.servers': bootstrapServer,
  }
}

async function listTopics(admin: Admin, internal: boolean): Promise<void> {
  const topics = await admin.describeTopics(await admin.listTopics({ internal }))
  const partitions = topics.flatMap(({ name, partitions }) =>
    partitions.map(({ partition }) => ({ topic: name, partition })),
  )
  const [first, last] = await Promise.all([
    admin.listOffsets(partitions.map((one) => ({ ...one, spec: 'earliest' as const }))),
    admin.listOffsets(partitions.map((one) => ({ ...one, spec: 'latest' as const }))),
  ])
  const records = new Map<string, number>()
  for (const [sign, offsets] of [
    [1, last],
    [-1, first],
  ] as const)
    for (const { topic, offset } of offsets)
      records.set(topic, (records.get(topic) ?? 0) + sign * offset)
  for (const { name, partitions } of topics.toSorted((a, b) => (a.name < b.name ? -1 : 1)))
    process.stdout.write(
      `${name}\t${partitions.length} partitions\t${records.get(name) ?? 0} records\n`,
    )
}

async function listGroups(admin: Admin): Promise<void> {
  for (const { groupId, state } of await admin.listGroups()) {
    const committed = await admin.listConsumerGroupOffsets(groupId)
    const ends = await admin.listOffsets(
      committed.map(({ topic, partition }) => ({ topic, partition, spec: 'latest' as const })),
    )
    const lag = ends.reduce((sum, { offset }, index) => sum + offset - committed[index]!.offset, 0)
    process.stdout.write(`${groupId}\t${state}\tlag ${lag}\n`)
  }
}

async function produce(
  topic: string,
  flags: ServerFlags & { key?: string; value?: string },
): Promise<void> {
  const { Producer } = await import('@khlong/kafka-client')
  await using producer = new Producer(await clientOptions(flags))
  const record = (value: string) => ({ topic, key: flags.key ?? null, value })
  if (flags.value !== undefined) {
    const { partition, offset } = await producer.send(record(flags.value))
    process.stderr.write(`partition ${partition}, offset ${offset}\n`)
    return
  }
  let failure: unknown
  const { createInterface } = await import('node:readline')
  for await (const line of createInterface({ input: process.stdin })) {
    if (failure) throw failure
    await producer.ready()
    producer.enqueue(record(line), (error) => {
      failure ??= error
    })
  }
  await producer.flush()
  if (failure) throw failure
}

async function consume(
  topic: string,
  flags: ServerFlags & { fromBeginning?: boolean; count?: number; verbose?: boolean },
): Promise<void> {
  const { Admin, Consumer } = await import('@khlong/kafka-client')
  const options = await clientOptions(flags)
  const partitions = await (async () => {
    await using admin = new Admin(options)
    const [description] = await admin.describeTopics([topic])
    return description?.partitions ?? []
  })()
  await using consumer = new Consumer(options)
  const offset = flags.fromBeginning ? 'earliest' : 'latest'
  consumer.assign(partitions.map(({ partition }) => ({ topic, partition, offset })))
  let left = flags.count ?? Number.POSITIVE_INFINITY
  let stopped = false
  process.once('SIGINT', () => {
    stopped = true
    consumer.wakeUp()
  })
  while (!stopped && left > 0)
    for (const { records } of await consumer.poll())
      for (const record of records) if (left-- > 0) print(record, flags.verbose ?? false)
}

function print(
  { partition, offset, timestamp, key, headers, value }: ConsumerRecord,
  verbose: boolean,
): void {
  if (verbose) {
    const texts = headers.map(([name, header]) => `${name}=${firstLine(header?.toString() ?? '')}`)
    process.stdout.write(
      `${partition}:${offset} ${new Date(timestamp).toISOString()} key=${key?.toString() ?? ''} ${texts.join(' ')}\n`,
    )
  }
  process.stdout.write(`${value?.toString() ?? ''}\n`)
}
