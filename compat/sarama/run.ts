import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync } from 'node:fs'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { peer } from '../../tools/peers.ts'
import { buildGoTests, runGoTests } from '../go-suite.ts'
import type { Suite } from '../suite.ts'

const version = 'v1.61.1'
const toxiproxyVersion = 'v2.12.0'
const toxiproxy = 'http://127.0.0.1:8474'
/** The suite has these addresses of its five brokers built in. */
const brokerPorts = [29_091, 29_092, 29_093, 29_094, 29_095]

/** Tests that count the brokers, stop one, move replicas or read the logs of containers: no single broker passes them. */
const clusterTests =
  /^(TestConsumerFetchFollowerFailover|TestFuncTxnProduceWithBrokerFailure|TestFuncAdminListConsumerGroupOffsets|TestFuncAdminAlterPartitionReassignments|TestFuncAdminDescribeLogDirs|TestFuncIdempotentBufferedSequence)$/

/**
 * Sarama's functional tests. They are written for five brokers behind toxiproxy; here all five addresses lead to one
 * broker, through the real toxiproxy, and the topics have one replica.
 */
export const sarama: Suite = {
  name: 'sarama',
  part: 'kafka',
  title: `Sarama ${version}, functional tests`,
  scope: 'five addresses lead to one broker; topics with one replica',
  async run({ start, cache, filter, say }) {
    const built = await buildGoTests(cache, {
      module: 'github.com/IBM/sarama',
      version,
      package: './',
      tags: 'functional',
      change: { name: 'one-replica', apply: oneReplica },
    })
    const proxy = await startToxiproxy(cache)
    try {
      const target = await start({
        'advertised.listeners': `PLAINTEXT://127.0.0.1:${brokerPorts[0]}`,
        'auto.create.topics.enable': false,
        'group.initial.rebalance.delay.ms': 0,
      })
      for (const [index, port] of brokerPorts.entries())
        await makeProxy(`kafka${index + 1}`, port, target.bootstrapServers)
      return await runGoTests(
        built,
        { TOXIPROXY_ADDR: toxiproxy, KAFKA_VERSION: '4.3.1' },
        {
          filter: await functionalTests(built.folder, filter),
          without: clusterTests,
          deadlineSeconds: 1_200,
          say,
        },
      )
    } finally {
      const exited = once(proxy, 'exit')
      proxy.kill()
      await exited
    }
  },
}

/** The names of the functional tests that `filter` lets through; the package's unit tests need no broker. */
async function functionalTests(folder: string, filter?: RegExp): Promise<RegExp> {
  const names: string[] = []
  for (const file of globSync('functional*_test.go', { cwd: folder })) {
    const text = await readFile(path.join(folder, file), 'utf8')
    for (const [, name] of text.matchAll(/^func (Test\w+)\(t \*testing\.T\)/gm)) names.push(name!)
  }
  return new RegExp(`^(${names.filter((name) => !filter || filter.test(name)).join('|')})$`)
}

/** Gives every topic of the tests one replica. */
async function oneReplica(folder: string): Promise<void> {
  for (const name of globSync('functional*_test.go', { cwd: folder })) {
    const file = path.join(folder, name)
    const text = await readFile(file, 'utf8')
    await writeFile(file, text.replace(/(ReplicationFactor:\s*)\d+/g, '$11'))
  }
}

/** Builds toxiproxy from its module, once, and starts it. */
async function startToxiproxy(cache: string): Promise<ChildProcess> {
  const folder = path.join(cache, `toxiproxy-${toxiproxyVersion}`)
  const program = path.join(folder, 'server')
  if (!(await stat(program).catch(() => undefined))) {
    await mkdir(folder, { recursive: true })
    await promisify(execFile)(
      peer('go'),
      ['install', `github.com/Shopify/toxiproxy/v2/cmd/server@${toxiproxyVersion}`],
      { env: { ...process.env, GOBIN: folder }, timeout: 300_000 },
    )
  }
  const child = spawn(program, ['-host', '127.0.0.1'], { stdio: 'ignore' })
  for (;;) {
    if (child.exitCode !== null) throw new Error(`toxiproxy ended with ${child.exitCode}`)
    const answer = await fetch(`${toxiproxy}/version`).catch(() => undefined)
    if (answer?.ok) return child
    await pause(50)
  }
}

async function makeProxy(name: string, port: number, upstream: string): Promise<void> {
  const answer = await fetch(`${toxiproxy}/proxies`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name, listen: `127.0.0.1:${port}`, upstream, enabled: true }),
  })
  if (!answer.ok) throw new Error(`toxiproxy refuses ${name}: ${await answer.text()}`)
}
