// A Node client in a process of its own: node-client.ts CLIENT ADDRESS TOPIC RECORDS produces keyed JSON records,
// reads them from the beginning and parses each. Prints records a second of both and the CPU that each took, in JSON.

import { performance } from 'node:perf_hooks'

/** What is measured of each client: the same arrays, the same sends under way. */
interface Client {
  produce(values: readonly Keyed[]): Promise<void>
  /**
   * Reads as a group's only member. Calls `joined` when it has its partitions, and `take` with the text of each key and
   * value until it says that it has enough.
   */
  consume(joined: () => void, take: (key: string, value: string) => boolean): Promise<void>
  close(): Promise<void>
}

interface Keyed {
  readonly key: string
  readonly value: string
}

const arrayLength = 1_000
const sendsUnderWay = 5

const makers: Readonly<Record<string, (address: string, topic: string) => Promise<Client>>> = {
  'kafka-client': async (address, topic) => {
    const { Consumer, KafkaClient, Producer } = await import('@khlong/kafka-client')
    const bootstrap = { 'bootstrap.servers': address }
    const client = new KafkaClient(bootstrap)
    const producer = new Producer(
      { ...bootstrap, acks: 1, 'enable.idempotence': false },
      { client },
    )
    const consumer = new Consumer(
      { ...bootstrap, 'group.id': `bench-${process.pid}`, 'auto.offset.reset': 'earliest' },
      { client },
    )
    return {
      produce: async (values) => {
        await producer.sendBatch(topic, values)
      },
      consume: async (joined, take) => {
        consumer.subscribe([topic], {
          onPartitionsAssigned: async () => {
            joined()
          },
        })
        for (;;)
          for (const { records } of await consumer.poll(100))
            for (const { key, value } of records) if (!take(String(key), String(value))) return
      },
      close: async () => {
        await producer.close()
        await consumer.close()
        await client.close()
      },
    }
  },
  '@platformatic/kafka': async (address, topic) => {
    const { Consumer, MessagesStreamModes, Producer, stringDeserializers, stringSerializers } =
      await import('@platformatic/kafka')
    const common = { clientId: 'bench', bootstrapBrokers: [address] }
    const producer = new Producer({ ...common, serializers: stringSerializers })
    const consumer = new Consumer({
      ...common,
      groupId: `bench-${process.pid}`,
      deserializers: stringDeserializers,
    })
    return {
      produce: async (values) => {
        await producer.send({ messages: values.map((value) => ({ topic, ...value })), acks: 1 })
      },
      consume: async (joined, take) => {
        consumer.on('consumer:group:join', joined)
        const stream = await consumer.consume({
          topics: [topic],
          mode: MessagesStreamModes.EARLIEST,
          autocommit: false,
        })
        for await (const { key, value } of stream) if (!take(key, value)) break
      },
      close: async () => {
        await producer.close()
        await consumer.close(true)
      },
    }
  },
  kafkajs: async (address, topic) => {
    const { Kafka, logLevel, Partitioners } = await import('kafkajs')
    const kafka = new Kafka({ clientId: 'bench', brokers: [address], logLevel: logLevel.NOTHING })
    const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
    const consumer = kafka.consumer({ groupId: `bench-${process.pid}` })
    await producer.connect()
    return {
      produce: async (values) => {
        await producer.send({ topic, messages: [...values], acks: 1 })
      },
      consume: async (joined, take) => {
        await consumer.connect()
        consumer.on(consumer.events.GROUP_JOIN, joined)
        await consumer.subscribe({ topic, fromBeginning: true })
        await new Promise<void>((resolve, reject) => {
          consumer
            .run({
              autoCommit: false,
              eachBatchAutoResolve: false,
              eachBatch: async ({ batch, resolveOffset }) => {
                for (const { key, value, offset } of batch.messages) {
                  resolveOffset(offset)
                  if (!take(String(key), String(value))) {
                    resolve()
                    return
                  }
                }
              },
            })
            .catch(reject)
        })
      },
      close: async () => {
        await producer.disconnect()
        await consumer.disconnect()
      },
    }
  },
}

export const nodeClients: readonly string[] = Object.keys(makers)

if (import.meta.main) {
  const [name = '', address = '', topic = '', count = ''] = process.argv.slice(2)
  const make = makers[name]
  if (!make) throw new Error(`no client ${name}; there are ${nodeClients.join(', ')}`)
  const client = await make(address, topic)
  const records = Number(count)
  // The first sends compile, and fetch metadata.
  await sendAll(client, Math.max(arrayLength, Math.floor(records / 20)))
  const warm = Math.max(arrayLength, Math.floor(records / 20))
  const beganMs = performance.now()
  const began = process.cpuUsage()
  await sendAll(client, records)
  const produced = (records / (performance.now() - beganMs)) * 1_000
  const producedCpu = cpuSince(began)
  let left = records + warm
  // From the assignment on, not from the first record: some clients fetch and decode all that there is before they give one.
  let joinedMs = 0
  let joined = process.cpuUsage()
  let sum = 0
  await client.consume(
    () => {
      joinedMs = performance.now()
      joined = process.cpuUsage()
    },
    (key, value) => {
      sum += (JSON.parse(value) as { n: number }).n + key.length
      return --left > 0
    },
  )
  if (joinedMs === 0) throw new Error(`${name} did not say when it had its partitions`)
  const consumed = ((records + warm) / (performance.now() - joinedMs)) * 1_000
  const consumedCpu = cpuSince(joined)
  await client.close()
  console.log(JSON.stringify({ produced, consumed, producedCpu, consumedCpu, sum }))
  process.exit(0)
}

/** CPU seconds of this process since then. */
function cpuSince(began: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(began)
  return (user + system) / 1e6
}

/** Makes and sends records of about 180 bytes, `sendsUnderWay` arrays at a time. */
async function sendAll(client: Client, records: number): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < records) {
      const first = next
      next += arrayLength
      const values: Keyed[] = []
      for (let n = first; n < Math.min(next, records); n++)
        values.push({
          key: `sensor-${n % 500}`,
          value: JSON.stringify({
            id: String(n % 500),
            name: `iot_sensor_${n % 500}`,
            place_id: '32347983',
            n,
            payload: { temperature: 21.5, humidity: 40, pressure: 1013, luminosity: n % 64_999 },
          }),
        })
      await client.produce(values)
    }
  }
  await Promise.all(Array.from({ length: sendsUnderWay }, worker))
}
