import assert from 'node:assert/strict'
import { classPath, JavaProcess } from './java.ts'
import { makeTopics, readCommitted } from './records.ts'
import type { JavaCase, JavaContext } from './run.ts'

const records = 10_000
const partitions = 2

/** How the copiers get their partitions, and which of the two ways of committing offsets they use. */
const kinds: readonly { name: string; flags: readonly string[] }[] = [
  { name: 'assigned partitions', flags: [] },
  { name: 'assigned partitions, group metadata', flags: ['--use-group-metadata'] },
  { name: 'a group, group metadata', flags: ['--group-mode', '--use-group-metadata'] },
]

/** Copies exactly once, with transactions that are aborted at random and a copier that is killed. */
export const transactionalCopy: readonly JavaCase[] = kinds.map(({ name, flags }) => ({
  name: `TransactionalMessageCopier of 4.3.1: ${name}, aborts at random, one is killed`,
  run: async (context) => {
    const { target } = context
    await makeTopics(target.bootstrapServers, { input: partitions, output: partitions })
    const path = await classPath(context.cache, '4.3.1')
    const produced = new JavaProcess(path, 'org.apache.kafka.tools.VerifiableProducer', [
      ...['--bootstrap-server', target.bootstrapServers, '--topic', 'input'],
      ...['--max-messages', String(records)],
    ])
    assert.equal(await produced.end(), 0, produced.lines.slice(-20).join('\n'))
    const copiers = Array.from({ length: partitions }, (_, partition) =>
      copier(context, path, partition, flags),
    )
    // In a group one may get all the partitions, and the other nothing.
    const working = await Promise.any(
      copiers.map(async (each, index) => {
        await each.line((line) => /"consumed":[1-9]/.test(line))
        return index
      }),
    )
    await copiers[working]!.kill()
    copiers[working] = copier(context, path, working, flags)
    for (const each of copiers) assert.equal(await each.end(), 0, each.lines.slice(-30).join('\n'))
    const [input, output] = [
      (await readCommitted(target.bootstrapServers, 'input')).flat(),
      (await readCommitted(target.bootstrapServers, 'output')).flat(),
    ]
    assert.equal(input.length, records)
    assert.deepEqual(output.sort(), input.sort())
  },
}))

function copier(
  { target }: JavaContext,
  path: string,
  partition: number,
  flags: readonly string[],
): JavaProcess {
  return new JavaProcess(path, 'org.apache.kafka.tools.TransactionalMessageCopier', [
    ...['--broker-list', target.bootstrapServers, '--input-topic', 'input'],
    ...['--input-partition', String(partition), '--output-topic', 'output'],
    ...['--transactional-id', `copier-${partition}`, '--consumer-group', 'copiers'],
    ...['--transaction-size', '300', '--transaction-timeout', '10000'],
    ...['--enable-random-aborts', ...flags],
  ])
}
