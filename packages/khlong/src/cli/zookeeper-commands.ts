import { CodedError } from '@khlong/core'
import type { Command } from 'commander'
import type { Client } from 'node-zookeeper-client'

const serverOption = ['--server <host:port>', 'the ZooKeeper', '127.0.0.1:2181'] as const

/** `khlong zk ls|get|set`. */
export function addZooKeeperCommands(program: Command): void {
  const command = program.command('zk').description('look into any ZooKeeper')
  command
    .command('ls')
    .description('children of a znode')
    .argument('[path]', 'znode', '/')
    .option(...serverOption)
    .action((path: string, { server }: { server: string }) =>
      withClient(server, async (client) => {
        const children = await call<string[]>((done) => client.getChildren(path, done))
        for (const child of children.toSorted()) process.stdout.write(`${child}\n`)
      }),
    )
  command
    .command('get')
    .description('data of a znode')
    .argument('<path>')
    .option(...serverOption)
    .action((path: string, { server }: { server: string }) =>
      withClient(server, async (client) => {
        const data = await call<Buffer | undefined>((done) => client.getData(path, done))
        process.stdout.write(`${data?.toString() ?? ''}\n`)
      }),
    )
  command
    .command('set')
    .description('set data of a znode')
    .argument('<path>')
    .argument('<data>')
    .option(...serverOption)
    .action((path: string, data: string, { server }: { server: string }) =>
      withClient(server, async (client) => {
        await call((done) => client.setData(path, Buffer.from(data), done))
      }),
    )
}

async function withClient(server: string, use: (client: Client) => Promise<void>): Promise<void> {
  const { default: zookeeper } = await import('node-zookeeper-client')
  const client = zookeeper.createClient(server, { retries: 2 })
  const connected = Promise.withResolvers<void>()
  client.once('connected', connected.resolve)
  const timer = setTimeout(() => {
    connected.reject(new CodedError('ZOOKEEPER_AWAY', `no ZooKeeper answers at ${server}`))
  }, 5_000)
  client.connect()
  try {
    await connected.promise
    await use(client)
  } finally {
    clearTimeout(timer)
    client.close()
  }
}

function call<Value>(
  start: (done: (error: unknown, value: Value) => void) => void,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error ? reject(error) : resolve(value)))
  })
}
